using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Which folder a model name means.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class ModelFolderTests
{
    private string _home = "";

    [SetUp]
    public void SetUp() => _home = Directory.CreateTempSubdirectory("beam-hub-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_home, recursive: true);

    [Test]
    public void A_folder_is_itself() => Assert.That(ModelFolder.Resolve(_home, _ => null), Is.EqualTo(Path.GetFullPath(_home)));

    [Test]
    public void A_hub_id_is_the_snapshot_that_main_names()
    {
        var old = Snapshot("hub", "aaa");
        var main = Snapshot("hub", "bbb");
        var repository = Path.GetFullPath(Path.Combine(main, "..", ".."));
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        File.WriteAllText(Path.Combine(repository, "refs", "main"), "bbb\n");
        Directory.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(1));
        Assert.That(ModelFolder.Resolve("google/gemma-2b-it", Environment(("HF_HOME", _home))), Is.EqualTo(main));
    }

    [Test]
    public void Without_refs_the_newest_snapshot_is_taken()
    {
        Snapshot("cache", "aaa");
        var newest = Snapshot("cache", "bbb");
        Directory.SetLastWriteTimeUtc(newest, DateTime.UtcNow.AddDays(1));
        var cache = Path.Combine(_home, "cache");
        Assert.That(ModelFolder.Resolve("google/gemma-2b-it", Environment(("HF_HUB_CACHE", cache), ("HF_HOME", "/nowhere"))), Is.EqualTo(newest));
    }

    [Test]
    public void A_name_that_is_nowhere_says_where_it_was_looked_for()
    {
        var cache = Path.Combine(_home, "hub");
        Assert.That(
            () => ModelFolder.Resolve("google/gemma-9000b", Environment(("HF_HOME", _home))),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains(cache).And.Message.Contains("hf download google/gemma-9000b"));
        Assert.That(() => ModelFolder.Resolve("/no/such/folder", Environment(("HF_HOME", _home))), Throws.TypeOf<ModelLoadException>().With.Message.Contains("/no/such/folder"));
        Assert.That(() => ModelFolder.Resolve(" ", _ => null), Throws.TypeOf<ModelLoadException>());
    }

    [TestCase("../hub")]
    [TestCase("a/../../b")]
    [TestCase("a/b/c")]
    [TestCase("a\0b")]
    public void A_name_cannot_leave_the_cache(string name) =>
        Assert.That(() => ModelFolder.Resolve(name, Environment(("HF_HOME", _home))), Throws.TypeOf<ModelLoadException>());

    private string Snapshot(string cache, string commit) =>
        Directory.CreateDirectory(Path.Combine(_home, cache, "models--google--gemma-2b-it", "snapshots", commit)).FullName;

    private static Func<string, string?> Environment(params (string Name, string Value)[] variables) =>
        name => variables.FirstOrDefault(v => v.Name == name).Value;
}
