using Beam.FnApi;
using Beam.Harness;
using Beam.Model.FnExecution;
using Microsoft.Extensions.Logging;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class LoggingTests
{
    [Test]
    public async Task What_functions_log_reaches_the_runner_with_bundle_and_transform()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new LoggingFn(), "Sync").ParallelDo(new AsyncLoggingFn(), "Async");
        var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "x");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["x"]));
        await runner.DisposeAsync();

        var sync = runner.Logs.Single(l => l.Message == "saw x");
        Assert.That((sync.Severity, sync.InstructionId, sync.TransformId), Is.EqualTo((LogEntry.Types.Severity.Types.Enum.Warn, bundle.Id, "Sync")));
        Assert.That(sync.Trace, Does.Contain("System.TimeoutException: too slow"));
        Assert.That(sync.Thread, Does.StartWith("bundle-worker-1-"));
        var asynchronous = runner.Logs.Single(l => l.Message == "awaited x");
        Assert.That((asynchronous.InstructionId, asynchronous.TransformId), Is.EqualTo((bundle.Id, "Async")));
        Assert.That(runner.Logs.Select(l => l.Message), Has.None.EqualTo("not severe enough"));
    }

    [Test]
    public async Task Logging_never_waits_for_a_runner_that_does_not_keep_up()
    {
        var (harness, runner) = MessageStream.CreatePair<LogControl, LogEntry.Types.List>(capacity: 1);
        var logs = new RunnerLoggerProvider(LogLevel.Information);
        var logger = logs.CreateLogger("test");
        for (var i = 0; i < 25_000; i++) logger.LogInformation("entry {Number}", i);
        logs.Start(harness);
        var disposing = logs.DisposeAsync();
        var messages = new List<string>();
        await foreach (var list in runner.ReadAllAsync()) messages.AddRange(list.LogEntries.Select(e => e.Message));
        await disposing;
        Assert.That(messages[0], Does.StartWith("15000 log entries were dropped"));
        Assert.That(messages[1], Is.EqualTo("entry 15000"));
        Assert.That(messages[^1], Is.EqualTo("entry 24999"));
        Assert.That(messages, Has.Count.EqualTo(10_001));
    }

    private sealed class LoggingFn : DoFn<string, string>
    {
        [Transient] private ILogger? _logger;

        public override void Setup(SetupContext context) => _logger = context.LoggerFactory.CreateLogger<LoggingFn>();

        public override void ProcessElement(string element, ProcessContext<string> context)
        {
            _logger!.LogDebug("not severe enough");
            _logger!.LogWarning(new TimeoutException("too slow"), "saw {Element}", element);
            context.Output(element);
        }
    }

    private sealed class AsyncLoggingFn : AsyncDoFn<string, string>
    {
        [Transient] private ILogger? _logger;

        public override Task SetupAsync(SetupContext context, CancellationToken cancellationToken)
        {
            _logger = context.LoggerFactory.CreateLogger("async");
            return Task.CompletedTask;
        }

        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            await Task.Yield();
            _logger!.LogInformation("awaited {Element}", element);
            context.Output(element);
        }
    }
}
