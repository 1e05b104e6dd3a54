using System.Threading.Channels;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.Engine;

public sealed class JobSchedulerTests
{
    private static readonly Dataset Start = new(0, "start", ElementFormat.LengthPrefixed, WindowFormat.Global);
    private static readonly Dataset Middle = new(1, "middle", ElementFormat.LengthPrefixed, WindowFormat.Global);
    private static readonly Dataset End = new(2, "end", ElementFormat.LengthPrefixed, WindowFormat.Global);

    [Test]
    public async Task Stages_run_when_their_inputs_are_complete_and_see_what_was_committed()
    {
        var dispatcher = new FakeDispatcher(bundle => bundle.Stage.Name == "split" ? ["a", "b", "c"] : Words(bundle).Select(word => word + "!"));
        await RunAsync(dispatcher, Executable(1, "split", Start, Middle), Executable(2, "shout", Middle, End), Executable(3, "read", End));
        Assert.That(dispatcher.Executed("shout"), Is.EquivalentTo(new[] { "a", "b", "c" }));
        Assert.That(dispatcher.Executed("read"), Is.EquivalentTo(new[] { "a!", "b!", "c!" }));
        Assert.That(dispatcher.Order.Distinct(), Is.EqualTo(new[] { "split", "shout", "read" }));
    }

    [Test]
    public async Task What_a_failed_attempt_wrote_is_dropped_and_the_bundle_runs_again()
    {
        var dispatcher = new FakeDispatcher(bundle => bundle.Stage.Name == "split" ? ["a"] : [], (bundle, attempt) =>
            bundle.Stage.Name == "split" && attempt <= 3 ? new SchedulerEvent.Failed(bundle, "Oops: once more", []) : null);
        await RunAsync(dispatcher, Executable(1, "split", Start, Middle), Executable(2, "read", Middle));
        Assert.That(dispatcher.Order, Is.EqualTo(new[] { "split", "split", "split", "split", "read" }));
        Assert.That(dispatcher.Executed("read"), Is.EqualTo(new[] { "a" }));
    }

    [Test]
    public async Task A_bundle_that_fails_four_times_fails_the_job_with_the_users_error()
    {
        var dispatcher = new FakeDispatcher(_ => [], (bundle, _) => new SchedulerEvent.Failed(bundle, "System.Exception: boom in Split\n   at Split.Process()", []));
        var error = await Assert.ThrowsAsync<JobFailedException>(() => RunAsync(dispatcher, Executable(1, "split", Start, Middle)));
        Assert.That(error!.Message, Is.EqualTo("System.Exception: boom in Split"));
        Assert.That(error!.Details, Does.Contain("at Split.Process()"));
        Assert.That(dispatcher.Order, Has.Count.EqualTo(4));
    }

    [Test]
    public async Task Lost_workers_do_not_count_as_attempts()
    {
        var dispatcher = new FakeDispatcher(_ => [], (bundle, attempt) => attempt <= 15 ? new SchedulerEvent.Lost(bundle, "killed", []) : null);
        await RunAsync(dispatcher, Executable(1, "split", Start));
        Assert.That(dispatcher.Order, Has.Count.EqualTo(16));
    }

    [Test]
    public async Task A_bundle_that_kills_every_worker_fails_the_job()
    {
        var dispatcher = new FakeDispatcher(_ => [], (bundle, _) => new SchedulerEvent.Lost(bundle, "worker-1 ended with exit code 139.", []));
        var error = await Assert.ThrowsAsync<JobFailedException>(() => RunAsync(dispatcher, Executable(1, "split", Start)));
        Assert.That(error!.Message, Does.Contain("16 times").And.Contain("exit code 139"));
    }

    [Test]
    public async Task A_side_input_is_complete_before_the_stage_that_asks_for_it_starts()
    {
        var main = Executable(2, "main", Start) with { SideInputs = [new SideInputSpec("t", "side", AccessPattern.Iterable, Middle)] };
        var seen = new List<string>();
        var dispatcher = new FakeDispatcher(bundle =>
        {
            if (bundle.Stage.Name == "side") return ["x", "y"];
            seen.AddRange(Elements.ReadStrings(bundle.SideInputs[("t", "side")].Elements([], 0).Data.Span));
            return [];
        });
        await RunAsync(dispatcher, main, Executable(1, "side", Start, Middle));
        Assert.That(seen, Is.EqualTo(new[] { "x", "y" }));
        Assert.That(dispatcher.Order, Is.EqualTo(new[] { "side", "main" }));
    }

    [Test]
    public async Task A_stage_without_elements_is_done_at_once()
    {
        var dispatcher = new FakeDispatcher(_ => []);
        await RunAsync(dispatcher, Executable(1, "none", Start, Middle), Executable(2, "never", Middle, End), Executable(3, "neither", End));
        Assert.That(dispatcher.Order, Is.EqualTo(new[] { "none" }));
    }

    [Test]
    public void Cancelling_ends_the_job()
    {
        using var cancel = new CancellationTokenSource();
        var dispatcher = new FakeDispatcher(_ => [], (_, _) =>
        {
            cancel.Cancel();
            return FakeDispatcher.Nothing;
        });
        Assert.That(() => RunAsync(dispatcher, cancel.Token, Executable(1, "split", Start)), Throws.InstanceOf<OperationCanceledException>());
    }

    private static Task RunAsync(FakeDispatcher dispatcher, params Stage[] stages) => RunAsync(dispatcher, CancellationToken.None, stages);

    private static Task RunAsync(FakeDispatcher dispatcher, CancellationToken cancellationToken, params Stage[] stages)
    {
        var plan = new Plan([.. stages, new ImpulseStage(0, "impulse", Start)], [Start, Middle, End]);
        return new JobScheduler(plan, dispatcher, dispatcher.Events, new SchedulerOptions(), new JobObservers()).RunAsync(cancellationToken);
    }

    private static ExecutableStage Executable(int id, string name, Dataset input, Dataset? output = null) => new(id, name)
    {
        Environment = "any",
        DescriptorId = name,
        Input = input,
        SourceTransformId = "source",
        Sinks = output is null ? new Dictionary<string, Dataset>() : new Dictionary<string, Dataset> { ["sink"] = output },
        SideInputs = [],
    };

    private static IEnumerable<string> Words(Bundle bundle) => bundle.Input.SelectMany(Elements.ReadWords);

    /// <summary>Executes bundles at once: by <c>respond</c> if it says something, otherwise by writing what <c>execute</c> returns.</summary>
    private sealed class FakeDispatcher(Func<Bundle, IEnumerable<string>> execute, Func<Bundle, int, SchedulerEvent?>? respond = null) : IBundleDispatcher
    {
        public static readonly SchedulerEvent Nothing = new SchedulerEvent.Broken(new InvalidOperationException());

        private readonly Dictionary<Bundle, int> _attempts = [];
        private readonly List<(string Stage, string Word)> _words = [];

        public Channel<SchedulerEvent> Events { get; } = SchedulerEvent.CreateChannel();

        public List<string> Order { get; } = [];

        public int Slots => 2;

        public IEnumerable<string> Executed(string stage) => _words.Where(word => word.Stage == stage).Select(word => word.Word);

        public void Enqueue(Bundle bundle)
        {
            Order.Add(bundle.Stage.Name);
            var attempt = _attempts[bundle] = _attempts.GetValueOrDefault(bundle) + 1;
            var response = respond?.Invoke(bundle, attempt);
            if (ReferenceEquals(response, Nothing)) return;
            if (response is null)
            {
                if (bundle.Stage.Input != Start) _words.AddRange(Words(bundle).Select(word => (bundle.Stage.Name, word)));
                var output = execute(bundle).ToArray();
                var outputs = bundle.Stage.Sinks.Keys.ToDictionary(sink => sink, _ => new List<Chunk>(output.Length > 0 ? [Elements.WordChunk(output)] : []));
                response = new SchedulerEvent.Succeeded(bundle, new BundleResult(outputs, []));
            }

            Events.Writer.TryWrite(response);
        }
    }
}
