namespace Beam.Runner.Direct.Tests;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class JobFolderTests
{
    private string _root = null!;

    [SetUp]
    public void SetUp() => _root = Directory.CreateTempSubdirectory("job-folder-tests-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_root, recursive: true);

    [Test]
    public void A_folder_is_this_users_alone_and_gone_when_the_job_is()
    {
        using (var folder = JobFolder.Create(_root))
        {
            File.WriteAllText(Path.Combine(folder.Path, "file"), "content");
            if (!OperatingSystem.IsWindows())
                Assert.That(File.GetUnixFileMode(folder.Path), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
        }

        Assert.That(Directory.EnumerateFileSystemEntries(_root), Is.Empty);
    }

    [Test]
    public void What_a_dead_process_left_is_swept_and_what_a_living_one_uses_is_not()
    {
        Directory.CreateDirectory(Path.Combine(_root, "beam-job-dead"));
        File.WriteAllText(Path.Combine(_root, "beam-job-dead", "file"), "content");
        File.WriteAllText(Path.Combine(_root, "beam-job-dead.lock"), "");
        File.SetLastWriteTimeUtc(Path.Combine(_root, "beam-job-dead.lock"), DateTime.UtcNow.AddMinutes(-2));
        using var living = JobFolder.Create(_root);
        using var second = JobFolder.Create(_root);
        Assert.That(Directory.EnumerateDirectories(_root), Is.EquivalentTo(new[] { living.Path, second.Path }));
    }

    [Test]
    public void Jobs_that_start_at_the_same_moment_do_not_sweep_each_other()
    {
        var folders = new System.Collections.Concurrent.ConcurrentBag<JobFolder>();
        Parallel.For(0, 64, _ => folders.Add(JobFolder.Create(_root)));
        Assert.That(folders.Select(folder => folder.Path), Is.Unique.And.All.Matches<string>(Directory.Exists));
        foreach (var folder in folders) folder.Dispose();
    }

    [Test]
    public void A_folder_that_cannot_be_made_is_an_error_that_says_what_to_do() =>
        Assert.That(() => JobFolder.Create(Path.Combine(_root, "missing")), Throws.TypeOf<BeamException>().With.Message.Contains("TMPDIR"));
}
