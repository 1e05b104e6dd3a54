namespace Beam.ML.Vllm.Weights;

/// <summary>Finds the folder that a model name means: a path, a hub id in the local Hugging Face cache, or a folder of another file system, which is copied.</summary>
internal static class ModelFolder
{
    /// <param name="model">A folder, a hub id such as <c>google/gemma-2b-it</c>, or a folder with a scheme such as <c>gs://bucket/gemma</c>.</param>
    /// <param name="environment">Reads an environment variable; the caller decides whose environment.</param>
    /// <param name="log">Is told if another process copies the same folder and has to be waited for.</param>
    /// <param name="cancellationToken">Ends that wait, and the copying of a folder of another file system.</param>
    public static string Resolve(string model, Func<string, string?> environment, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        if (string.IsNullOrWhiteSpace(model)) throw new ModelLoadException("No model was named; give a folder or a Hugging Face hub id.");
        if (model.Contains('\0', StringComparison.Ordinal)) throw new ModelLoadException("The model's name has a null character in it; give a folder or a Hugging Face hub id.");
        if (RemoteModelFolder.IsRemote(model)) return RemoteModelFolder.Fetch(model, environment, log, cancellationToken);
        if (Directory.Exists(model)) return Path.GetFullPath(model);
        if (File.Exists(model)) throw new ModelLoadException($"'{model}' is a file; name the checkpoint folder that it is in.");

        var cache = HubCache(environment);
        if (IsHubId(model))
        {
            var repository = Path.Combine(cache, "models--" + model.Replace("/", "--", StringComparison.Ordinal));
            if (Snapshot(repository) is { } snapshot) return snapshot;
        }

        var hint = IsHubId(model) && model.Contains('/', StringComparison.Ordinal) ? $"run `hf download {model}`, or name a folder" : "name an existing folder or a hub id such as google/gemma-2b-it";
        throw new ModelLoadException($"Model '{model}' was not found: there is no folder '{Path.GetFullPath(model)}' and no such model in the Hugging Face cache '{cache}'; {hint}.");
    }

    private static string HubCache(Func<string, string?> environment)
    {
        if (environment("HF_HUB_CACHE") is { Length: > 0 } hub) return hub;
        if (environment("HF_HOME") is { Length: > 0 } home) return Path.Combine(home, "hub");
        var cache = environment("XDG_CACHE_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "huggingface", "hub");
    }

    private static bool IsHubId(string model) =>
        model.Split('/') is [_] or [_, _] && !model.Contains("..", StringComparison.Ordinal) &&
        model.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '-' or '_' or '.') && model.Split('/').All(part => part.Length > 0 && part[0] != '.');

    /// <summary>The commit that refs/main names, or the newest snapshot.</summary>
    private static string? Snapshot(string repository)
    {
        var snapshots = Path.Combine(repository, "snapshots");
        if (!Directory.Exists(snapshots)) return null;
        var reference = Path.Combine(repository, "refs", "main");
        if (File.Exists(reference))
        {
            var commit = File.ReadAllText(reference).Trim();
            var named = Path.Combine(snapshots, commit);
            if (commit.Length > 0 && commit.All(char.IsAsciiLetterOrDigit) && Directory.Exists(named)) return named;
        }

        return new DirectoryInfo(snapshots).EnumerateDirectories().OrderByDescending(d => d.LastWriteTimeUtc).FirstOrDefault()?.FullName;
    }
}
