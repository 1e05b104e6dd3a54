using Beam.IO;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Model folders of other file systems.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class RemoteModelFolderTests
{
    private const string Model = "far://models/gemma";

    private string _root = "";
    private FarFiles _files = null!;

    [SetUp]
    public void SetUp()
    {
        _root = Directory.CreateTempSubdirectory("beam-far-").FullName;
        _files = new FarFiles(Path.Combine(_root, "far"));
        foreach (var name in (string[])["config.json", "model.safetensors", "tokenizer.model", "pytorch_model.bin", "notes.md"]) _files.Put($"models/gemma/{name}", name);
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_root, recursive: true);

    [Test]
    public void What_the_engine_reads_is_copied_once_however_many_ask()
    {
        var copies = new string[8];
        Parallel.For(0, copies.Length, i => copies[i] = Fetch());
        Assert.That(copies.Distinct().Count(), Is.EqualTo(1));
        Assert.That(Directory.GetFiles(copies[0]).Select(Path.GetFileName).Order(), Is.EqualTo(new[] { "config.json", "model.safetensors", "tokenizer.model" }));
        Assert.That(File.ReadAllText(Path.Combine(copies[0], "config.json")), Is.EqualTo("config.json"));
        Assert.That(_files.Reads, Is.EqualTo(3));
        Assert.That(Path.GetFileName(copies[0]), Does.StartWith("gemma-"));
    }

    [Test]
    public void A_folder_that_has_changed_is_copied_anew()
    {
        var before = Fetch();
        _files.Put("models/gemma/config.json", "changed");
        var after = Fetch();
        Assert.That(after, Is.Not.EqualTo(before));
        Assert.That(File.ReadAllText(Path.Combine(after, "config.json")), Is.EqualTo("changed"));
        Assert.That(File.ReadAllText(Path.Combine(before, "config.json")), Is.EqualTo("config.json"), "who reads the old one goes on doing so");
    }

    [Test]
    public void A_copy_that_breaks_off_is_no_copy_and_is_done_again()
    {
        _files.Broken = "model.safetensors";
        Assert.That(() => Fetch(), Throws.TypeOf<ModelLoadException>().With.Message.Contains(Model).And.Message.Contains("the line is dead"));
        _files.Broken = null;
        Assert.That(Directory.GetFiles(Fetch()), Has.Length.EqualTo(3));
        Assert.That(Directory.GetDirectories(Path.Combine(_root, "cache")).Where(d => d.EndsWith(".part", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public void A_file_that_comes_too_short_is_an_error()
    {
        _files.Short = "config.json";
        Assert.That(() => Fetch(), Throws.TypeOf<ModelLoadException>().With.Message.Contains("came with 10 of 11 bytes"));
    }

    [Test]
    public async Task Who_waits_for_anothers_copy_is_told_so_once_and_may_give_up()
    {
        using var begun = new SemaphoreSlim(0);
        using var goOn = new ManualResetEventSlim();
        _files.Opening = () =>
        {
            begun.Release();
            goOn.Wait();
        };
        var first = Task.Run(() => Fetch());
        await begun.WaitAsync();
        var lines = new List<string>();
        using var giveUp = new CancellationTokenSource();
        Assert.That(() => Fetch(log: line => { lines.Add(line); giveUp.Cancel(); }, cancellationToken: giveUp.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(lines, Has.Count.EqualTo(1));
        Assert.That(lines[0], Does.StartWith($"Waiting for the copy of '{Model}' that is being made already").And.Contain(".lock"));

        var patient = new List<string>();
        var second = Task.Run(() => Fetch(log: line => { patient.Add(line); goOn.Set(); }));
        Assert.That(await second, Is.EqualTo(await first));
        Assert.That(patient, Has.Count.EqualTo(1));
        Assert.That(_files.Reads, Is.EqualTo(3));
    }

    [Test]
    public void A_copy_that_is_cancelled_is_no_copy_and_is_done_again()
    {
        using var giveUp = new CancellationTokenSource();
        _files.Opening = giveUp.Cancel;
        Assert.That(() => Fetch(cancellationToken: giveUp.Token), Throws.InstanceOf<OperationCanceledException>());
        _files.Opening = null;
        Assert.That(Directory.GetFiles(Fetch()), Has.Length.EqualTo(3));
    }

    [Test]
    public void A_folder_without_a_model_says_what_is_missing() =>
        Assert.That(() => Fetch("far://models"), Throws.TypeOf<ModelLoadException>().With.Message.Contains("has no *.json and *.safetensors files"));

    [Test]
    public void A_scheme_that_no_package_brings_is_named() =>
        Assert.That(() => ModelFolder.Resolve("gs://bucket/model", _ => null), Throws.TypeOf<ModelLoadException>().With.Message.Contains("Beam.IO.GoogleCloud"));

    private string Fetch(string model = Model, Action<string>? log = null, CancellationToken cancellationToken = default) =>
        RemoteModelFolder.Fetch(_ => _files, model, name => name == "BEAM_MODEL_CACHE" ? Path.Combine(_root, "cache") : null, log, cancellationToken);

    /// <summary>Files under a folder here that stand for files far away.</summary>
    private sealed class FarFiles(string folder) : IFileSystem
    {
        private int _reads;

        public string? Broken { get; set; }

        public string? Short { get; set; }

        /// <summary>What happens before a file is opened.</summary>
        public Action? Opening { get; set; }

        public int Reads => _reads;

        public void Put(string name, string content)
        {
            var path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, content);
        }

        public string Resolve(string path) => path;

        public IReadOnlyList<FileMetadata> Match(string pattern) =>
            [.. Directory.GetFiles(Local(pattern[..pattern.LastIndexOf('/')])).Select(f => new FileMetadata("far://" + Path.GetRelativePath(folder, f), new FileInfo(f).Length, File.ReadAllText(f)))];

        public Stream OpenRead(string path, long offset = 0)
        {
            Opening?.Invoke();
            Interlocked.Increment(ref _reads);
            var name = Path.GetFileName(path);
            if (name == Broken) throw new IOException("the line is dead");
            var bytes = File.ReadAllBytes(Local(path));
            return new MemoryStream(bytes, 0, name == Short ? bytes.Length - 1 : bytes.Length);
        }

        public (string Folder, string Name) Split(string path) => (path[..path.LastIndexOf('/')], path[(path.LastIndexOf('/') + 1)..]);

        public string Combine(string folder, string name) => $"{folder}/{name}";

        public Stream Create(string path) => throw new NotSupportedException();

        public bool Exists(string path) => throw new NotSupportedException();

        public void Move(string source, string destination) => throw new NotSupportedException();

        public void Delete(string path) => throw new NotSupportedException();

        public void DeleteFolder(string path) => throw new NotSupportedException();

        public void CheckWritable(string folder) => throw new NotSupportedException();

        private string Local(string path) => Path.Combine(folder, path["far://".Length..]);
    }
}
