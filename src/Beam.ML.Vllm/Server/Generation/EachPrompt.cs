using System.Runtime.ExceptionServices;

namespace Beam.ML.Vllm.Server.Generation;

/// <summary>Has all prompts of a request served at a time.</summary>
internal static class EachPrompt
{
    /// <summary>Runs something for each prompt. The first that fails ends the others, and its failure is what is thrown once all have ended.</summary>
    /// <param name="count">How many there are.</param>
    /// <param name="stop">Ends them; once it is cancelled, no further one begins.</param>
    /// <param name="runAsync">Serves the prompt of an index.</param>
    public static async Task RunAsync(int count, CancellationTokenSource stop, Func<int, Task> runAsync)
    {
        Exception? first = null;
        await Task.WhenAll(Enumerable.Range(0, count).Select(async i =>
        {
            try
            {
                stop.Token.ThrowIfCancellationRequested();
                await runAsync(i);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref first, e, null);
                await stop.CancelAsync();
            }
        }));
        if (first is not null) ExceptionDispatchInfo.Throw(first);
    }
}
