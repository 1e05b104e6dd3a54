using System.Text.Json;
using Beam.Coders;
using Beam.Coders.Standard;
using Beam.IO;

namespace Beam;

/// <summary>Files of lines as collections.</summary>
public static class ReadExtensions
{
    /// <summary>The lines of text files: UTF-8, ending with LF or CRLF, compressed or not.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="pattern">A path or pattern: <c>data/prompts.txt</c>, <c>logs/**/*.log.gz</c>.</param>
    /// <param name="options">How files are read; the defaults if null.</param>
    /// <param name="name">The transform's name.</param>
    /// <exception cref="BeamException">No local file matches.</exception>
    public static PCollection<string> ReadText(this Pipeline pipeline, string pattern, ReadTextOptions? options = null, string? name = null) =>
        pipeline.Apply(new ReadPattern<PCollection<string>>("ReadText", pattern, options ?? new(), files => files.ReadAllText(options)), name);

    /// <summary>The lines of all files that a collection of paths and patterns names.</summary>
    /// <param name="patterns">The patterns; one that matches nothing fails the pipeline unless the options allow it.</param>
    /// <param name="options">How files are read; the defaults if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<string> ReadAllText(this PCollection<string> patterns, ReadTextOptions? options = null, string? name = null) =>
        patterns.Apply(new ReadFiles<string>(new TextDecoder(), options ?? new(), StringUtf8Coder.Instance, null), name ?? "ReadAllText").Output;

    /// <summary>Records from files with one JSON value a line.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="pattern">A path or pattern.</param>
    /// <param name="options">How files are read; the defaults if null.</param>
    /// <param name="json">Creates the options of the JSON reader on each worker; <see cref="JsonLines.CreateOptions"/> if null.</param>
    /// <param name="name">The transform's name.</param>
    /// <exception cref="BeamException">No local file matches. A line that is not such a record fails the pipeline, naming file and position.</exception>
    public static PCollection<T> ReadJson<T>(
        this Pipeline pipeline, string pattern, ReadTextOptions? options = null, Func<JsonSerializerOptions>? json = null, string? name = null) =>
        pipeline.Apply(
            new ReadPattern<PCollection<T>>("ReadJson", pattern, options ?? new(), files =>
                files.Apply(new ReadFiles<T>(new JsonDecoder<T>(json), options ?? new(), null, null)).Output),
            name);

    /// <summary>Records from files with one JSON value a line; lines that are none go to the failures.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="pattern">A path or pattern.</param>
    /// <param name="handling">How many lines may fail.</param>
    /// <param name="options">How files are read; the defaults if null.</param>
    /// <param name="json">Creates the options of the JSON reader on each worker; <see cref="JsonLines.CreateOptions"/> if null.</param>
    /// <param name="name">The transform's name.</param>
    /// <exception cref="BeamException">No local file matches.</exception>
    public static WithFailures<T, TextLine> ReadJson<T>(
        this Pipeline pipeline, string pattern, ExceptionHandling handling, ReadTextOptions? options = null, Func<JsonSerializerOptions>? json = null,
        string? name = null) =>
        pipeline.Apply(
            new ReadPattern<WithFailures<T, TextLine>>("ReadJson", pattern, options ?? new(), files =>
                files.Apply(new ReadFiles<T>(new JsonDecoder<T>(json), options ?? new(), null, handling))),
            name);
}

/// <summary>A pattern that is known now: it is checked now, and found in full where the workers look.</summary>
internal sealed class ReadPattern<TOutput>(string name, string pattern, ReadTextOptions options, Func<PCollection<string>, TOutput> read)
    : PTransform<PBegin, TOutput> where TOutput : IPValue
{
    public override string Name => name;

    public override TOutput Expand(PBegin input)
    {
        options.Check();
        var system = FileSystems.For(pattern);
        if (system is LocalFileSystem)
        {
            foreach (var file in MatchFilesFn.Match(pattern, options)) Compressions.Of(file.Path, options.Compression);
        }

        return read(input.Pipeline.Create([system.Resolve(pattern)], StringUtf8Coder.Instance, "Pattern"));
    }
}
