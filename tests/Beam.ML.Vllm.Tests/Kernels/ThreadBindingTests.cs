using System.Runtime.InteropServices;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

[TestFixture]
public sealed class ThreadBindingTests
{
    [Test]
    public void By_default_threads_are_not_bound() =>
        Assert.That((ThreadBinding.Parse(null), ThreadBinding.Parse("nobind")), Is.EqualTo(((int[]?)null, (int[]?)null)));

    [TestCase("")]
    [TestCase("one")]
    [TestCase("1-0")]
    [TestCase("0-1-2")]
    [TestCase("-1")]
    [TestCase("0,")]
    [TestCase("99999")]
    public void What_is_no_list_of_processors_is_refused(string text)
    {
        SkipWhereThreadsCannotBeBound();
        Assert.That(() => ThreadBinding.Parse(text), Throws.ArgumentException.With.Message.Contains($"not '{text}'"));
    }

    [Test]
    public void Processors_that_are_not_there_or_named_twice_are_refused()
    {
        SkipWhereThreadsCannotBeBound();
        var usable = ThreadBinding.Parse("auto")!;
        Assert.That(usable, Is.Not.Empty.And.Unique);
        var missing = Enumerable.Range(0, 1024).First(p => !usable.Contains(p));
        Assert.That(() => ThreadBinding.Parse($"{usable[0]},{missing}"), Throws.ArgumentException.With.Message.Contains($"names processor {missing}, which this process may not use"));
        Assert.That(() => ThreadBinding.Parse($"{usable[0]},{usable[0]}"), Throws.ArgumentException.With.Message.Contains("twice"));
        Assert.That(() => new EngineOptions { Model = "x", CpuThreadsBind = $"{usable[0]}", NumThreads = 2 }.Validate(), Throws.ArgumentException.With.Message.Contains("fewer processors"));
    }

    [Test]
    public void Threads_compute_on_the_processors_they_are_bound_to()
    {
        SkipWhereThreadsCannotBeBound();
        var usable = ThreadBinding.Parse("auto")!;
        using var pool = new WorkerPool(usable.Length, usable);
        HashSet<int> seen = [], callers = [];
        // On a thread of its own: the binding stays with whoever called.
        var caller = new Thread(() =>
        {
            pool.BindCaller();
            for (var i = 0; i < 50; i++) callers.Add(GetProcessor());
            var work = new Note { Seen = seen };
            for (var i = 0; i < 200 && Count() < usable.Length; i++) pool.Run(ref work, 4 * usable.Length);
        });
        caller.Start();
        caller.Join();
        Assert.That(callers, Is.EqualTo(new[] { usable[0] }));
        Assert.That(seen, Is.SubsetOf(usable).And.Not.Empty);

        int Count()
        {
            lock (seen) return seen.Count;
        }
    }

    private static void SkipWhereThreadsCannotBeBound()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("Which processor a thread runs on is asked of Linux here.");
    }

    [DllImport("libc", EntryPoint = "sched_getcpu")]
    private static extern int GetProcessor();

    private struct Note : IParallelWork
    {
        public HashSet<int> Seen;

        public readonly void Run(int part, int parts)
        {
            lock (Seen) Seen.Add(GetProcessor());
        }
    }
}
