using Beam.ML.Vllm.Weights;

namespace Beam.Cli.Engine.Bench;

/// <summary>A model to measure: a checkpoint, or random weights written to a folder of its own that goes away with the object.</summary>
internal sealed class BenchModel : IDisposable
{
    private const string Random = "random:";

    private readonly DirectoryInfo? _temporary;

    private BenchModel(string name, string folder, DirectoryInfo? temporary)
    {
        (Name, Folder, _temporary) = (name, folder, temporary);
        Size = ModelSize.Of(folder);
    }

    public string Name { get; }

    public string Folder { get; }

    public ModelSize Size { get; }

    /// <param name="model">A checkpoint folder, a hub id, or <c>random:</c> and the name of a shape.</param>
    /// <param name="cancellationToken">Ends the copying of a folder of another file system.</param>
    public static BenchModel Open(string model, CancellationToken cancellationToken = default)
    {
        if (!model.StartsWith(Random, StringComparison.Ordinal))
        {
            var folder = ModelFolder.Resolve(model, Environment.GetEnvironmentVariable, cancellationToken: cancellationToken);
            return new BenchModel(Path.GetFileName(model.TrimEnd('/', '\\')), folder, temporary: null);
        }

        var shape = CheckpointShape.Find(model[Random.Length..]);
        var temporary = Directory.CreateTempSubdirectory("beam-random-model-");
        try
        {
            RandomCheckpoint.Write(shape, temporary.FullName);
            return new BenchModel($"random weights in the shape of {shape.Name}", temporary.FullName, temporary);
        }
        catch
        {
            temporary.Delete(recursive: true);
            throw;
        }
    }

    public void Dispose() => _temporary?.Delete(recursive: true);
}
