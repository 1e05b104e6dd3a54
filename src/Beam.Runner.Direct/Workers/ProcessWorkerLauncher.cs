using System.Collections.Concurrent;
using System.Globalization;
using Beam.Processes;

namespace Beam.Runner.Direct.Workers;

/// <summary>Starts harnesses in processes of their own.</summary>
internal sealed class ProcessWorkerLauncher<TEntry>(WorkerProcessSettings settings, WorkerLog log) : IWorkerLauncher
    where TEntry : IProcessEntry, new()
{
    public Task<IRunningWorker> StartAsync(string workerId, CancellationToken cancellationToken)
    {
        var tail = new ConcurrentQueue<string>();
        var child = ChildProcess.Start<TEntry>(new ChildProcessOptions
        {
            Name = workerId,
            Arguments = settings.ToArguments(workerId),
            Environment = settings.ToEnvironment(),
            StandardOutput = line => log.WriteLine(workerId, line),
            StandardError = line =>
            {
                log.WriteLine(workerId, line);
                tail.Enqueue(line);
                while (tail.Count > 20) tail.TryDequeue(out _);
            },
        });
        return Task.FromResult<IRunningWorker>(new Running(child, tail));
    }

    private sealed class Running(ChildProcess child, ConcurrentQueue<string> tail) : IRunningWorker
    {
        public int? ProcessId => child.Id;

        public Task<string> Exited { get; } = DescribeExitAsync(child, tail);

        public async Task StopAsync(TimeSpan grace)
        {
            await using (child)
            {
                // The harness ends when its control stream does.
                try
                {
                    await child.Exited.WaitAsync(grace);
                }
                catch (TimeoutException)
                {
                    child.Kill();
                }
            }
        }

        private static async Task<string> DescribeExitAsync(ChildProcess child, ConcurrentQueue<string> tail)
        {
            var code = await child.Exited;
            var said = tail.IsEmpty ? "" : " Its last words: " + string.Join(System.Environment.NewLine, tail);
            return string.Create(CultureInfo.InvariantCulture, $"{child.Name} (process {child.Id}) ended with exit code {code}.{said}");
        }
    }
}
