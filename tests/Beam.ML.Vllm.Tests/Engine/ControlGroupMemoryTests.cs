using Beam.ML.Vllm.Engine;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>The limits of containers, as Linux writes them to files.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class ControlGroupMemoryTests
{
    private string _root = null!;

    [SetUp]
    public void SetUp() => _root = Directory.CreateTempSubdirectory("beam-cgroup-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_root, recursive: true);

    [Test]
    public void The_tightest_of_the_groups_counts()
    {
        Write("pod/memory.max", "1000000");
        Write("pod/memory.current", "400000");
        Write("pod/engine/memory.max", "max");
        Write("pod/engine/memory.current", "300000");
        Write("memory.max", "900000000");
        Write("memory.current", "1");
        Assert.That(Available("0::/pod/engine"), Is.EqualTo(600_000));
    }

    [Test]
    public void Files_that_lie_unused_in_memory_do_not_count()
    {
        Write("memory.max", "1000000");
        Write("memory.current", "900000");
        Write("memory.stat", "anon 100000\ninactive_file 700000\nactive_file 1");
        Assert.That(Available("0::/"), Is.EqualTo(800_000));
    }

    [Test]
    public void The_first_form_is_read_as_well()
    {
        Write("memory/box/memory.limit_in_bytes", "5000000");
        Write("memory/box/memory.usage_in_bytes", "2000000");
        Write("memory/box/memory.stat", "inactive_file 1\ntotal_inactive_file 500000");
        Write("memory/memory.limit_in_bytes", "9223372036854771712");
        Write("memory/memory.usage_in_bytes", "3000000");
        Assert.That(Available("5:cpu,cpuacct:/box", "4:memory:/box", "0::/"), Is.EqualTo(3_500_000));
    }

    [Test]
    public void A_group_whose_path_is_not_mounted_has_the_limits_of_the_root()
    {
        Write("memory.max", "1000");
        Write("memory.current", "2000");
        Assert.That(Available("0::/kubepods/pod1/of/another/namespace"), Is.Zero);
    }

    [Test]
    public void Without_a_limit_there_is_none()
    {
        Write("memory.max", "max");
        Write("memory.current", "2000");
        Assert.That(Available("0::/", "nonsense"), Is.Null);
        Assert.That(ControlGroupMemory.AvailableBytes(_root, Path.Combine(_root, "missing")), Is.Null);
    }

    [Test]
    public void Some_memory_is_left_to_this_process() => Assert.That(SystemMemory.AvailableBytes(), Is.Positive);

    private long? Available(params string[] groups)
    {
        Write("self", string.Join('\n', groups));
        return ControlGroupMemory.AvailableBytes(_root, Path.Combine(_root, "self"));
    }

    private void Write(string path, string text)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
