namespace Beam.Runner.Direct.Workers;

/// <summary>What a worker process must know of its job.</summary>
/// <param name="Endpoint">Where the Fn API is served.</param>
/// <param name="Token">The job's token, which every call carries.</param>
/// <param name="WorkDirectory">The job's folder on this machine.</param>
internal sealed record WorkerProcessSettings(string Endpoint, string Token, string WorkDirectory)
{
    /// <summary>The file in the job's folder that holds the pipeline options.</summary>
    public const string OptionsFile = "options.pb";

    private const string TokenVariable = "BEAM_JOB_TOKEN";

    public IReadOnlyList<string> ToArguments(string workerId) => [workerId, Endpoint, WorkDirectory];

    /// <summary>The token travels here: others can read a process's arguments, but not its environment.</summary>
    public IReadOnlyDictionary<string, string?> ToEnvironment() => new Dictionary<string, string?> { [TokenVariable] = Token };

    /// <summary>Reads, in the worker process, what the other two methods wrote.</summary>
    /// <exception cref="ArgumentException">They did not write this.</exception>
    public static (string WorkerId, WorkerProcessSettings Settings) Read(string[] args)
    {
        if (args.Length != 3 || System.Environment.GetEnvironmentVariable(TokenVariable) is not { Length: > 0 } token)
            throw new ArgumentException($"A worker gets its id, the Fn API's endpoint and the job's folder as arguments, and {TokenVariable} in its environment.");
        // What this process starts has no business with the job's token.
        System.Environment.SetEnvironmentVariable(TokenVariable, null);
        return (args[0], new WorkerProcessSettings(args[1], token, args[2]));
    }
}
