using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class FileLeaseTests
{
    [Test]
    public void Only_one_holds_a_lease_and_the_next_gets_it_when_it_is_given_back()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "lock");
        using (var first = FileLease.TryAcquire(path))
        {
            Assert.That(first, Is.Not.Null);
            Assert.That(FileLease.TryAcquire(path), Is.Null);
        }

        using var second = FileLease.TryAcquire(path);
        Assert.That(second, Is.Not.Null);
    }

    [Test]
    public void A_lease_in_a_folder_that_does_not_exist_is_an_error_and_not_a_wait() =>
        Assert.That(() => FileLease.TryAcquire(Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString(), "lock")), Throws.TypeOf<DirectoryNotFoundException>());

    [Test]
    public void A_lock_that_cannot_be_had_is_not_taken_for_one_that_another_has()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "folder");
        Directory.CreateDirectory(path);
        Assert.That(() => FileLease.TryAcquire(path), Throws.InstanceOf<UnauthorizedAccessException>().Or.InstanceOf<IOException>());
    }

    [Test]
    public void A_host_of_an_older_generation_is_not_published_and_sees_that_it_was_superseded()
    {
        using var folder = new TemporaryFolder();
        var directory = new HostDirectory(folder.Path, "tag", 0);
        var mine = Record(directory.NextGeneration(), "mine");
        directory.Publish(mine);
        Assert.That(directory.IsSuperseded(mine), Is.False);
        // Whoever did not see this lease, since its file was deleted, say.
        var theirs = Record(directory.NextGeneration(), "theirs");
        Assert.That(() => directory.Publish(mine), Throws.TypeOf<HostSupersededException>());
        directory.Publish(theirs);
        Assert.That(directory.IsSuperseded(mine));
        directory.Withdraw(mine);
        Assert.That(directory.Read(), Is.EqualTo(theirs));

        static HostRecord Record(long generation, string token) =>
            new() { Generation = generation, ProcessId = 1, ProcessStarted = 1, OwnerWorker = "worker", Socket = "", Token = token };
    }

    [Test]
    public void Generations_only_grow_and_sockets_have_short_paths_of_their_own()
    {
        using var folder = new TemporaryFolder();
        var deep = Path.Combine(folder.Path, new string('d', 90));
        Directory.CreateDirectory(deep);
        Assert.That(new[] { 1, 2, 3 }.Select(_ => new HostDirectory(deep, "tag", 0).NextGeneration()), Is.EqualTo(new[] { 1L, 2, 3 }));
        var socket = new HostDirectory(deep, "tag", 0).NewSocket(12);
        Assert.That(socket, Has.Length.LessThanOrEqualTo(100));
        Assert.That(new HostDirectory(folder.Path, "tag", 0).NewSocket(12), Does.StartWith(folder.Path));
        if (!OperatingSystem.IsWindows())
        {
            Assert.That(File.GetUnixFileMode(Path.GetDirectoryName(socket)!),
                Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
        }

        HostSocket.Delete(socket);
        Assert.That(Path.GetDirectoryName(socket), Does.Not.Exist);
    }
}
