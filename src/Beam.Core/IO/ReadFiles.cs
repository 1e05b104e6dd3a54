using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Translation;

namespace Beam.IO;

/// <summary>A line of a file, where it could not become an element.</summary>
/// <param name="Path">The file.</param>
/// <param name="Offset">Where the line begins, in bytes, in the file or what it is decompressed to.</param>
/// <param name="Text">The line; bytes that are not UTF-8 are replaced.</param>
public sealed record TextLine(string Path, long Offset, string Text);

/// <summary>Files of lines: patterns to files, files to parts, parts to elements.</summary>
internal sealed class ReadFiles<T>(LineDecoder<T> decoder, ReadTextOptions options, Coder<T>? coder, ExceptionHandling? handling)
    : PTransform<PCollection<string>, WithFailures<T, TextLine>>
{
    public override WithFailures<T, TextLine> Expand(PCollection<string> input)
    {
        options.Check();
        var result = input
            .Apply(new ParDoTransform<string, FileRange>(new MatchFilesFn(options), FileRangeCoder.Instance), "Match")
            .Reshuffle()
            .Apply(new ReadRanges<T>(decoder, options, coder, handling));
        if (handling is not null) ExceptionThreshold.Check(result, handling);
        return result;
    }
}

/// <summary>The primitive that reads, with an output for what could not be read.</summary>
internal sealed class ReadRanges<T>(LineDecoder<T> decoder, ReadTextOptions options, Coder<T>? coder, ExceptionHandling? handling)
    : PTransform<PCollection<FileRange>, WithFailures<T, TextLine>>
{
    public override string Name => "Read";

    public override WithFailures<T, TextLine> Expand(PCollection<FileRange> input)
    {
        var node = input.Pipeline.Graph.Current;
        var bad = new OutputTag<FailedElement<TextLine>>("bad");
        ParDoTranslation.Describe(node, new ReadRangeFn<T>(decoder, options, handling, bad), "good");
        return new(
            node.AddOutput("good", input.Windowing, input.IsBounded, coder),
            node.AddOutput("bad", input.Windowing, input.IsBounded, new FailedElementCoder<TextLine>(TextLineCoder.Instance)));
    }
}

/// <summary>Finds the files of a pattern and splits them.</summary>
internal sealed class MatchFilesFn(ReadTextOptions options) : DoFn<string, FileRange>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(string element, ProcessContext<FileRange> context)
    {
        foreach (var file in Match(element, options))
        {
            foreach (var range in FileRange.Split(file, options)) context.Output(range);
        }
    }

    /// <summary>The files of a pattern; an error if there are none and there should be.</summary>
    public static IReadOnlyList<FileMetadata> Match(string pattern, ReadTextOptions options)
    {
        var system = FileSystems.For(pattern);
        var files = system.Match(pattern);
        if (files.Count > 0 || options.AllowNoMatch) return files;
        var resolved = system.Resolve(pattern);
        throw new BeamException(resolved == pattern ? $"'{pattern}' matches no file." : $"'{pattern}' matches no file: there is none at {resolved}.");
    }
}

/// <summary>Reads a part of a file.</summary>
internal sealed class ReadRangeFn<T>(LineDecoder<T> decoder, ReadTextOptions options, ExceptionHandling? handling, OutputTag<FailedElement<TextLine>> bad)
    : DoFn<FileRange, T>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(FileRange element, ProcessContext<T> context)
    {
        using var reader = new FileRangeReader(element, options);
        while (reader.TryRead(out var line))
        {
            if (!decoder.Accepts(line)) continue;
            T value;
            try
            {
                value = decoder.Decode(line, element.Path, reader.Offset);
            }
            catch (InvalidDataException e) when (handling?.Catches(e) == true)
            {
                context.Output(bad, FailedElement.Of(new TextLine(element.Path, reader.Offset, System.Text.Encoding.UTF8.GetString(line)), e));
                continue;
            }

            context.Output(value);
        }
    }
}

/// <summary>Path, offset, text.</summary>
internal sealed class TextLineCoder : Coder<TextLine>
{
    public static readonly TextLineCoder Instance = new();

    public override void Encode(TextLine value, CoderWriter writer, bool nested)
    {
        StringUtf8Coder.Instance.Encode(value.Path, writer, nested: true);
        writer.WriteVarint(value.Offset);
        StringUtf8Coder.Instance.Encode(value.Text, writer, nested: true);
    }

    public override TextLine Decode(ref CoderReader reader, bool nested) => new(
        StringUtf8Coder.Instance.Decode(ref reader, nested: true), reader.ReadVarint(), StringUtf8Coder.Instance.Decode(ref reader, nested: true));
}
