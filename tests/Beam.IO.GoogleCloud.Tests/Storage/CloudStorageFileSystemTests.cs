using System.Text;
using Beam.IO.GoogleCloud.Storage;

namespace Beam.IO.GoogleCloud.Tests.Storage;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class CloudStorageFileSystemTests : IAsyncDisposable
{
    private const int ChunkSize = 256 << 10;

    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private FakeStorage _fake = null!;
    private StorageClient _client = null!;
    private CloudStorageFileSystem _files = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _fake = await FakeStorage.StartAsync();
        _client = new StorageClient(_http, _fake.Address, tokens: null, firstDelay: TimeSpan.FromMilliseconds(1));
        _files = new CloudStorageFileSystem(_client);
    }

    [TearDown]
    public async ValueTask DisposeAsync()
    {
        await _fake.DisposeAsync();
        _http.Dispose();
    }

    [TestCase("gs://bucket/logs/*.txt", "logs/a.txt logs/b.txt")]
    [TestCase("gs://bucket/logs/?.txt", "logs/a.txt logs/b.txt")]
    [TestCase("gs://bucket/logs/[b-z].txt", "logs/b.txt")]
    [TestCase("gs://bucket/logs/**", "logs/a.txt logs/b.txt logs/more/c.txt logs/more/d.json")]
    [TestCase("gs://bucket/**/*.json", "logs/more/d.json other.json")]
    [TestCase("gs://bucket/logs/more/d.json", "logs/more/d.json")]
    [TestCase("gs://bucket/logs", "")]
    [TestCase("gs://bucket/nothing*", "")]
    public void Patterns_match_names_in_their_order_over_all_pages(string pattern, string expected)
    {
        foreach (var name in (string[])["other.json", "logs/b.txt", "logs/a.txt", "logs/more/d.json", "logs/more/c.txt", "logs/.hidden.txt", "logs2/a.txt"])
            _fake.Put("bucket/" + name, Encoding.UTF8.GetBytes(name));
        _fake.PageSize = 2;
        var found = _files.Match(pattern);
        Assert.That(found.Select(f => f.Path), Is.EqualTo(expected.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => "gs://bucket/" + n)));
        Assert.That(found.Select(f => f.Size), Is.EqualTo(found.Select(f => (long)f.Path.Length - "gs://bucket/".Length)));
        Assert.That(found.Select(f => f.Version).Distinct().Count(), Is.EqualTo(found.Count));
    }

    [TestCase(0, false)]
    [TestCase(10, false)]
    [TestCase(ChunkSize, true)]
    [TestCase(ChunkSize + 1, true)]
    [TestCase((3 * ChunkSize) + 77, true)]
    public void What_is_written_in_pieces_is_read_back_from_any_offset(int length, bool faults)
    {
        var content = Bytes(length);
        if (faults)
        {
            // Every third call fails, the service takes less than it is sent, and no download survives 100,000 bytes.
            var calls = 0;
            _fake.Fault = _ => Interlocked.Increment(ref calls) % 3 == 0 ? 503 : null;
            _fake.TakeAtMost = 200_000;
            _fake.BreakDownloadsAfter = 100_000;
        }

        using (var stream = new StorageWriteStream(_client, StoragePath.Parse("gs://bucket/a b/ü?.bin"), ChunkSize))
        {
            for (var i = 0; i < length; i += 1000) stream.Write(content, i, Math.Min(1000, length - i));
            Assert.That(_fake["bucket/a b/ü?.bin"], Is.Null, "nothing has the name before the file is complete");
        }

        Assert.That(_fake["bucket/a b/ü?.bin"], Is.EqualTo(content));
        foreach (var offset in (int[])[0, length / 2, length])
        {
            using var read = _files.OpenRead("gs://bucket/a b/ü?.bin", offset);
            using var copy = new MemoryStream();
            read.CopyTo(copy);
            Assert.That(copy.ToArray(), Is.EqualTo(content[offset..]), $"from {offset}");
        }
    }

    [Test]
    public void A_file_that_is_replaced_while_it_is_read_is_never_mixed_with_the_new_one()
    {
        _fake.Put("bucket/a", Bytes(200_000));
        _fake.BreakDownloadsAfter = 50_000;
        using var stream = _files.OpenRead("gs://bucket/a");
        stream.ReadExactly(new byte[1000]);
        _fake.Put("bucket/a", Bytes(200_000));
        Assert.That(() => stream.CopyTo(Stream.Null), Throws.TypeOf<FileNotFoundException>().With.Message.Contains("replaced while it was read"));
    }

    [Test]
    public void An_upload_that_fails_for_good_leaves_nothing()
    {
        var stream = new StorageWriteStream(_client, StoragePath.Parse("gs://bucket/a"), ChunkSize);
        stream.Write(Bytes(ChunkSize));
        _fake.Fault = request => request.Method == "PUT" ? 403 : null;
        Assert.That(() => stream.Write(Bytes(1)), Throws.InstanceOf<IOException>().With.Message.Contains("403 (injected)").And.Message.Contains("Storage Object User"));
        _fake.Fault = _ => null;
        stream.Dispose();
        Assert.That(_fake.Names, Is.Empty);
    }

    [Test]
    public void A_move_replaces_and_a_second_one_says_that_there_is_nothing()
    {
        _fake.Put("bucket/temp/1", [1]);
        _fake.Put("bucket/out", [2]);
        _fake.SlowRewrites = true;
        _files.Move("gs://bucket/temp/1", "gs://bucket/out");
        Assert.That(_fake.Names, Is.EqualTo(new[] { "bucket/out" }));
        Assert.That(_fake["bucket/out"], Is.EqualTo(new byte[] { 1 }));
        Assert.That(() => _files.Move("gs://bucket/temp/1", "gs://bucket/out"), Throws.TypeOf<FileNotFoundException>());
    }

    [Test]
    public void Deleting_takes_what_is_in_a_folder_and_nothing_beside_it()
    {
        foreach (var name in (string[])["t/1", "t/2", "t/x/3", "t2", "t/4", "t/5"]) _fake.Put("bucket/" + name, []);
        _files.DeleteFolder("gs://bucket/t");
        _files.DeleteFolder("gs://bucket/t");
        _files.Delete("gs://bucket/nothing");
        Assert.That(_fake.Names, Is.EqualTo(new[] { "bucket/t2" }));
        Assert.That(() => _files.DeleteFolder("gs://bucket/"), Throws.ArgumentException.With.Message.Contains("whole bucket"));
        Assert.That(_files.Exists("gs://bucket/t2") && !_files.Exists("gs://bucket/t"), Is.True);
    }

    [Test]
    public void Paths_are_taken_apart_and_put_together()
    {
        Assert.That(_files.Split("gs://bucket/a/b/c"), Is.EqualTo(("gs://bucket/a/b", "c")));
        Assert.That(_files.Split("gs://bucket/c"), Is.EqualTo(("gs://bucket", "c")));
        Assert.That(_files.Combine("gs://bucket", "c"), Is.EqualTo("gs://bucket/c"));
    }

    [TestCase("gs://", "'gs://' is no path")]
    [TestCase("gs://Bad_Bucket/a", "has 'Bad_Bucket' for a bucket")]
    [TestCase("gs://bucket/a\nb", "line break")]
    [TestCase("s3://bucket/a", "does not begin with gs://")]
    public void A_path_that_cannot_be_is_refused(string path, string reason) =>
        Assert.That(() => _files.Exists(path), Throws.TypeOf<BeamException>().With.Message.Contains(reason));

    [Test]
    public void A_folder_that_cannot_be_written_to_is_refused_before_anything_runs()
    {
        Assert.That(() => _files.CheckWritable("gs://bucket/out"), Throws.Nothing);
        _fake.MayCreate = false;
        Assert.That(() => _files.CheckWritable("gs://bucket/out"), Throws.TypeOf<BeamException>().With.Message.Contains("may not create objects in gs://bucket"));
        _fake.Fault = _ => 404;
        Assert.That(() => _files.CheckWritable("gs://bucket/out"), Throws.TypeOf<BeamException>().With.Message.Contains("404 (injected)"));
        Assert.That(() => _files.Match("gs://bucket/*"), Throws.TypeOf<BeamException>().With.Message.Contains("Cannot look for 'gs://bucket/*'"));
    }

    [Test]
    public void A_service_that_stays_down_is_asked_seven_times()
    {
        _fake.Fault = _ => 500;
        Assert.That(() => _files.Exists("gs://bucket/a"), Throws.InstanceOf<IOException>());
        Assert.That(_fake.Calls, Has.Count.EqualTo(7));
    }

    [Test]
    public void Programs_that_reference_the_package_have_the_scheme() => Assert.That(FileSystems.For("gs://bucket/a"), Is.TypeOf<CloudStorageFileSystem>());

    private static byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
