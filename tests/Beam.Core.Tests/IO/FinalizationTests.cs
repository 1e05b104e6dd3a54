using Beam.IO;
using NUnit.Framework;

namespace Beam.Core.Tests.IO;

/// <summary>The last step of a write, whatever came before it.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class FinalizationTests
{
    private readonly string folder = Directory.CreateTempSubdirectory("beam-finalization-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void A_repeated_attempt_gives_the_same_files()
    {
        var spec = Spec(numShards: 3);
        var written = new[] { Write(spec, 0, "a"), Write(spec, 2, "c") };
        var names = Finalization.Run(spec, written);
        Assert.That(Finalization.Run(spec, written.Reverse()), Is.EqualTo(names));
        Assert.That(names.Select(File.ReadAllText), Is.EqualTo(new[] { "a\n", "", "c\n" }));
    }

    [Test]
    public void A_file_of_an_earlier_run_does_not_stand_in_for_one_that_disappeared()
    {
        var yesterday = Spec(numShards: 1);
        Finalization.Run(yesterday, [Write(yesterday, 0, "yesterday")]);
        var today = Spec(numShards: 1);
        var written = Write(today, 0, "today");
        File.Delete(written.Value);
        Assert.That(() => Finalization.Run(today, [written]), Throws.InstanceOf<IOException>().With.Message.Contains(written.Value));
    }

    [Test]
    public void An_attempt_that_was_interrupted_is_finished_by_the_next()
    {
        var spec = Spec(numShards: 2);
        var written = new[] { Write(spec, 0, "a"), Write(spec, 1, "b") };
        // The second file cannot be moved over a folder.
        var names = new[] { In("n-00000-of-00002.txt"), In("n-00001-of-00002.txt") };
        Directory.CreateDirectory(names[1]);
        Assert.That(() => Finalization.Run(spec, written), Throws.InstanceOf<SystemException>());
        Assert.That(File.Exists(names[0]), Is.True);
        Directory.Delete(names[1]);
        Finalization.Run(spec, written);
        Assert.That(names.Select(File.ReadAllText), Is.EqualTo(new[] { "a\n", "b\n" }));
    }

    [Test]
    public void Attempts_at_the_same_time_all_succeed([Range(1, 20)] int round)
    {
        var spec = Spec(numShards: 0);
        var written = Enumerable.Range(0, 8).Select(i => Write(spec, -1, $"{round} {i}")).ToArray();
        using var start = new Barrier(4);
        var attempts = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return Finalization.Run(spec, written);
            },
            TaskCreationOptions.LongRunning)).ToArray();
        var names = Task.WhenAll(attempts).Result;
        Assert.That(names[0].SelectMany(File.ReadAllLines), Is.EquivalentTo(Enumerable.Range(0, 8).Select(i => $"{round} {i}")));
    }

    [Test]
    public void Files_of_an_earlier_run_with_another_number_of_shards_go_and_no_others()
    {
        string[] others = ["[n]-00000-of-00003.csv", "[n]-0-of-3.txt", "[n]-00004-of-00003.txt", "n-00000-of-00003.txt", "[n]-00000-of-00003-more.txt", "[n].txt"];
        foreach (var name in others.Concat(["[n]-00000-of-00003.txt", "[n]-00002-of-00003.txt", "[n]-100000-of-200000.txt"])) File.WriteAllText(In(name), "");
        var spec = Spec(numShards: 1) with { Prefix = In("[n]") };
        Finalization.Run(spec, [Write(spec, 0, "new")]);
        Assert.That(Directory.GetFiles(folder).Select(Path.GetFileName), Is.EquivalentTo(others.Append("[n]-00000-of-00001.txt")));
    }

    [TestCase("-SSSSS-of-NNNNN", "-00001-of-00003", 3)]
    [TestCase("-SS.NN", "-01.100", 100)]
    [TestCase("-S-S-N", "-1-1-3", 3)]
    [TestCase("-S-S-N", "-1-2-3", null)]
    [TestCase("-SSSSS-of-NNNNN", "-00003-of-00003", null)]
    [TestCase("-SSSSS-of-NNNNN", "-000001-of-00003", null)]
    [TestCase("-SSSSS-of-NNNNN", "-00001-of-99999999999", null)]
    [TestCase("-SSSSS", "-00001", null)]
    [TestCase("", "", null)]
    public void The_number_of_shards_is_read_from_names_that_the_template_makes(string template, string text, int? count) =>
        Assert.That(ShardNames.CountOf(template, text), Is.EqualTo(count));

    private string In(string name) => Path.Combine(folder, name);

    private WriteSpec Spec(int numShards) => new(In("n"), ".txt", numShards, new WriteTextOptions(), In($".temp-beam-{Guid.NewGuid():N}"));

    private static KV<int, string> Write(WriteSpec spec, int shard, string text)
    {
        using var file = new TemporaryFile(spec);
        file.Write(text, new TextEncoder());
        file.Complete();
        return KV.Of(shard, file.Path);
    }
}
