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
    public void Generations_only_grow_and_sockets_have_short_paths()
    {
        using var folder = new TemporaryFolder();
        var deep = Path.Combine(folder.Path, new string('d', 90));
        Directory.CreateDirectory(deep);
        Assert.That(new[] { 1, 2, 3 }.Select(_ => new HostDirectory(deep, "tag", 0).NextGeneration()), Is.EqualTo(new[] { 1L, 2, 3 }));
        var socket = new HostDirectory(deep, "tag", 0).SocketPath(12);
        Assert.That(socket, Has.Length.LessThanOrEqualTo(100));
        Assert.That(new HostDirectory(folder.Path, "tag", 0).SocketPath(12), Does.StartWith(folder.Path));
        Directory.Delete(Path.GetDirectoryName(socket)!);
    }
}
