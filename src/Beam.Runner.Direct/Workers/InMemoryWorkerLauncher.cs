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
        private readonly string _workerId;
        private readonly CancellationTokenSource _stop = new();
        private readonly TaskCompletionSource<string> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _running;

        public Running(IFnApiService service, string workerId, Func<IFnApiConnector, CancellationToken, Task> run)
        {
            _workerId = workerId;
            var token = _stop.Token;
            _running = Task.Run(() => RunAsync(service, run, token));
        }

        public int? ProcessId => null;

        public Task<string> Exited => _exited.Task;

        public async Task StopAsync(TimeSpan grace)
        {
            try
            {
                await _running.WaitAsync(grace);
            }
            catch (TimeoutException)
            {
                // User code in this process cannot be killed. It is asked, and if it does not listen, left behind.
                await _stop.CancelAsync();
                await _running.WaitAsync(grace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _exited.TrySetResult($"{_workerId} runs code that does not end.");
            }
        }

        private async Task RunAsync(IFnApiService service, Func<IFnApiConnector, CancellationToken, Task> run, CancellationToken cancellationToken)
        {
            try
            {
                await using var connector = new InMemoryFnApiConnector(service, _workerId);
                await run(connector, cancellationToken);
                _exited.TrySetResult($"{_workerId} has ended.");
            }
            catch (Exception e)
            {
                _exited.TrySetResult($"{_workerId} failed: {e}"); // whoever waits for the worker is told
            }
        }
    }
}
