using System.CommandLine;
using Beam.Cli.Hosting;
using Beam.Cli.Usage;
using Beam.ML.Vllm.Weights.Gguf;

namespace Beam.Cli.Engine.Export;

/// <summary><c>beam engine export-gguf MODEL OUT</c>: a checkpoint as a file for llama.cpp.</summary>
internal static class ExportGgufCommand
{
    public static Command Create(CliHost host)
    {
        var model = new Argument<string>("MODEL") { Description = "A checkpoint folder, or a hub id that is in the local Hugging Face cache." };
        var output = new Argument<string>("OUT") { Description = "The file to write, or a folder to write it in." };
        var type = new Option<string>("--type") { Description = "What matrices are stored in.", DefaultValueFactory = _ => "bf16" }.AcceptWords("f32", "f16", "bf16", "q8_0");
        var command = new Command("export-gguf", "Write a checkpoint as a GGUF file, for llama.cpp.") { model, output, type };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (name, kind) = (parsed.GetRequiredValue(model), Enum.Parse<GgufType>(parsed.GetRequiredValue(type), ignoreCase: true));
            var path = parsed.GetRequiredValue(output);
            if (Directory.Exists(path)) path = Path.Combine(path, $"{NameOf(name)}-{kind.ToString().ToUpperInvariant()}.gguf");
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder)) throw new DirectoryNotFoundException($"The folder '{folder}' does not exist.");
            var isReplaced = File.Exists(path);
            var export = await LoadingNotice.ShowAsync(host, name, () => Task.Run(() => GgufExporter.Export(name, path, kind, cancellationToken), cancellationToken));
            foreach (var warning in export.Warnings) await host.Error.WriteLineAsync($"beam: {warning}");
            await host.Output.WriteLineAsync($"{path}: {export.Architecture}, {export.Tensors} tensors, {export.Bytes / 1e6:N1} MB{(isReplaced ? "; replaced what was there" : "")}");
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>A folder's or hub id's last part; of a folder that is just called checkpoint, its parent's.</summary>
    private static string NameOf(string model)
    {
        if (!Directory.Exists(model)) return Path.GetFileName(model.TrimEnd('/', '\\'));
        var folder = new DirectoryInfo(Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)));
        return folder is { Name: "checkpoint" or "model", Parent: { Parent: not null } parent } ? parent.Name : folder.Name;
    }
}
