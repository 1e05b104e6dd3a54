using Beam.FnApi;

namespace Beam.Runner.Direct.Workers;

/// <summary>Runs a harness against a connection until the runner ends it.</summary>
internal delegate Task RunHarness(IFnApiConnector connector, string workerId, string workDirectory, CancellationToken cancellationToken);

/// <summary>Starts harnesses in this process.</summary>
internal sealed class InMemoryWorkerLauncher(IFnApiService service, string workDirectory, RunHarness runHarness) : IWorkerLauncher
{
    public Task<IRunningWorker> StartAsync(string workerId, CancellationToken cancellationToken) =>
        Task.FromResult<IRunningWorker>(new Running(service, workerId, (connector, stop) => runHarness(connector, workerId, workDirectory, stop)));

    private sealed class Running : IRunningWorker
    {
        private readonly CancellationTokenSource _stop = new();

        public Running(IFnApiService service, string workerId, Func<IFnApiConnector, CancellationToken, Task> run)
        {
            var token = _stop.Token;
            Exited = Task.Run(() => RunAsync(service, workerId, run, token));
        }

        public int? ProcessId => null;

        public Task<string> Exited { get; }

        public async Task StopAsync(TimeSpan grace)
        {
            try
            {
                await Exited.WaitAsync(grace);
            }
            catch (TimeoutException)
            {
                // User code in this process cannot be killed. It is asked, and if it does not listen, left behind.
                await _stop.CancelAsync();
                await ((Task)Exited).WaitAsync(grace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private static async Task<string> RunAsync(
            IFnApiService service, string workerId, Func<IFnApiConnector, CancellationToken, Task> run, CancellationToken cancellationToken)
        {
            await using var connector = new InMemoryFnApiConnector(service, workerId);
            try
            {
                await run(connector, cancellationToken);
                return $"{workerId} has ended.";
            }
            catch (Exception e)
            {
                return $"{workerId} failed: {e}";
            }
        }
    }
}
