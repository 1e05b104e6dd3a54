namespace Beam.Processes;

/// <summary>
/// The entry point of a child process: a public class with a parameterless constructor, started in a process of its own with
/// exactly the assemblies of the program that starts it.
/// </summary>
public interface IProcessEntry
{
    /// <summary>Runs the process. What it returns is the process's exit code.</summary>
    /// <param name="args">The arguments that the parent gave.</param>
    /// <param name="cancellationToken">
    /// Cancelled when the parent asks the process to stop. If the parent dies instead, the process ends at once and nothing is asked.
    /// </param>
    Task<int> RunAsync(string[] args, CancellationToken cancellationToken);
}
