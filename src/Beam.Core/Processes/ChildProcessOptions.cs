namespace Beam.Processes;

/// <summary>How a <see cref="ChildProcess"/> is started.</summary>
internal sealed record ChildProcessOptions
{
    /// <summary>What the process is called in messages, such as <c>worker-1</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Arguments of <see cref="IProcessEntry.RunAsync"/>. Anyone on the machine can read them: secrets go to <see cref="Environment"/>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Environment variables to add to those of this process; null removes one.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Receives each line of the child's standard output; null lets the child inherit this process's.</summary>
    public Action<string>? StandardOutput { get; init; }

    /// <summary>Receives each line of the child's standard error; null lets the child inherit this process's.</summary>
    public Action<string>? StandardError { get; init; }
}
