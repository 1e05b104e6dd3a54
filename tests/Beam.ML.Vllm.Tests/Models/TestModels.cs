using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>The checkpoints that tests run: tiny ones with what Transformers computes from them, and the trained one of the repository.</summary>
internal static class TestModels
{
    public static string GoldenFolder { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "golden"));

    /// <summary>A trained model of 2.75 M parameters.</summary>
    public static string TinyGemma { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "..", "..", "models", "tiny-gemma", "checkpoint"));

    public static string Golden(string family) => Path.Combine(GoldenFolder, "models", family);

    public static JsonDocument ReadJson(params string[] path) => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(path)));

    public static int[] Ints(this JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}

/// <summary>A copy of a checkpoint folder that a test may change; deleted with the object.</summary>
internal sealed class TemporaryModel : IDisposable
{
    public TemporaryModel(string source)
    {
        Folder = Directory.CreateTempSubdirectory("beam-model-").FullName;
        foreach (var file in Directory.GetFiles(source))
        {
            if (!Path.GetFileName(file).StartsWith("expected", StringComparison.Ordinal)) File.Copy(file, Path.Combine(Folder, Path.GetFileName(file)));
        }
    }

    public string Folder { get; }

    public string this[string file] => Path.Combine(Folder, file);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
