namespace Beam.Cli.Hosting;

/// <summary>What the process ends with.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The command was understood and failed.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ended by Ctrl-C or SIGTERM, as shells number it.</summary>
    public const int Interrupted = 130;
}

/// <summary>The values of the command line do not go together; the message says which and what would.</summary>
internal sealed class UsageException(string message) : Exception(message);
