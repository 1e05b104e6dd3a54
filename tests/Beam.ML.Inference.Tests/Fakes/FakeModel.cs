using System.Globalization;
using Beam.Coders;

namespace Beam.ML.Inference.Tests;

/// <summary>
/// A model whose examples say what it shall do: <c>echo text</c>, <c>slow text</c>, <c>fail reason</c>, <c>break</c>, <c>crash</c>, <c>hang</c>,
/// <c>arg name</c>. It answers with the text and the id of the process that it runs in.
/// </summary>
public sealed class FakeModelHandler : ElementwiseModelHandler<string, FakeAnswer, FakeModel>
{
    public string? LoadError { get; init; }

    public bool CrashWhileLoading { get; init; }

    /// <summary>A file that gets a line for each load.</summary>
    public string? LoadLog { get; init; }

    /// <summary>How many loads fail for a reason that passes, by the lines of that file.</summary>
    public int FlakyLoads { get; init; }

    /// <summary>Whether the model tells how far it is, which it never is.</summary>
    public bool ReportsProgress { get; init; }

    public bool Shared { get; init; } = true;

    public override bool ShareModelAcrossProcesses => Shared;

    public override Coder<FakeAnswer> PredictionCoder => new FakeAnswerCoder();

    public override IReadOnlyCollection<string> InferenceArgNames => ["greeting"];

    public override async Task<FakeModel> LoadModelAsync(CancellationToken cancellationToken)
    {
        if (LoadLog is not null) await File.AppendAllTextAsync(LoadLog, $"{Environment.ProcessId}\n", cancellationToken);
        if (CrashWhileLoading) Environment.Exit(3);
        if (LoadLog is not null && (await File.ReadAllLinesAsync(LoadLog, cancellationToken)).Length <= FlakyLoads) throw new IOException("The disk is busy.");
        return LoadError is null ? new FakeModel() : throw new InvalidDataException(LoadError);
    }

    public override async Task<FakeAnswer> RunInferenceAsync(string example, FakeModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken)
    {
        var space = example.IndexOf(' ', StringComparison.Ordinal);
        var (verb, text) = space < 0 ? (example, "") : (example[..space], example[(space + 1)..]);
        switch (verb)
        {
            case "echo": break;
            case "slow": await Task.Delay(20, cancellationToken); break;
            case "hang": await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken); break;
            case "arg": text = string.Create(CultureInfo.InvariantCulture, $"{inferenceArgs[text]}"); break;
            case "crash": Environment.Exit(5); break;
            case "break": throw new FakeModelBrokenException();
            default: throw new ArgumentException($"The model does not understand '{example}'.");
        }

        return new FakeAnswer(text, Environment.ProcessId);
    }

    public override long? GetProgress(FakeModel model) => ReportsProgress ? 0 : null;

    public override bool IsModelBroken(Exception exception) => exception is FakeModelBrokenException;
}

public sealed class FakeModel;

public sealed record FakeAnswer(string Text, int ProcessId);

/// <summary>A coder of the program's own, which goes with the handler to its hosts.</summary>
internal sealed class FakeAnswerCoder : Coder<FakeAnswer>
{
    public override void Encode(FakeAnswer value, CoderWriter writer, bool nested)
    {
        writer.WriteLengthPrefixedUtf8(value.Text);
        writer.WriteLengthPrefixedUtf8(value.ProcessId.ToString(CultureInfo.InvariantCulture));
    }

    public override FakeAnswer Decode(ref CoderReader reader, bool nested) =>
        new(reader.ReadUtf8(reader.ReadLength()), int.Parse(reader.ReadUtf8(reader.ReadLength()), CultureInfo.InvariantCulture));
}

public sealed class FakeModelBrokenException : Exception;

/// <summary>A batch model that doubles numbers, and refuses any batch with a negative one, without saying which.</summary>
public sealed class DoublingHandler : ModelHandler<int, long, string>
{
    public List<int> BatchSizes { get; } = [];

    public override Task<string> LoadModelAsync(CancellationToken cancellationToken) => Task.FromResult("doubler");

    public override Task<IReadOnlyList<long>> RunInferenceAsync(
        IReadOnlyList<int> batch, string model, InferenceArgs inferenceArgs, CancellationToken cancellationToken)
    {
        lock (BatchSizes) BatchSizes.Add(batch.Count);
        if (batch.Any(n => n < 0)) throw new InvalidOperationException("There is a negative number in the batch.");
        return Task.FromResult<IReadOnlyList<long>>([.. batch.Select(n => 2L * n)]);
    }
}
