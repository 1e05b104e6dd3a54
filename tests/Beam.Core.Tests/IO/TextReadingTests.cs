using System.IO.Compression;
using System.Text;
using Beam.IO;
using NUnit.Framework;
using Compression = Beam.IO.Compression;
using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.IO;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class TextReadingTests
{
    private string folder = "";

    [SetUp]
    public void CreateFolder() => folder = Directory.CreateTempSubdirectory("beam-text-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void Ranges_of_any_size_hold_every_line_exactly_once([Range(1, 40)] int rangeBytes)
    {
        string[] lines = ["", "a", "bb\u00e9", "", "a longer line", "c", "", "\u4e2d\u6587", "last"];
        foreach (var (newline, tail) in new[] { ("\n", ""), ("\n", "\n"), ("\r\n", ""), ("\r\n", "\r\n") })
        {
            var path = Write($"{rangeBytes}.txt", string.Join(newline, lines) + tail);
            Assert.That(ReadAll(path, new ReadTextOptions { DesiredBundleBytes = rangeBytes }), Is.EqualTo(lines));
        }
    }

    [Test]
    public void Random_files_are_read_whole_however_they_are_split()
    {
        var random = new Random(4711);
        for (var round = 0; round < 200; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(200)).Select(_ => random.Next(6) switch { 0 => "\n", 1 => "\r\n", 2 => "\u00e4", _ => "x" }));
            var path = Write("random.txt", text);
            var expected = text.Split('\n').Select(l => l.EndsWith('\r') ? l[..^1] : l).ToList();
            if (expected[^1].Length == 0 && !text.EndsWith('\r')) expected.RemoveAt(expected.Count - 1);
            Assert.That(ReadAll(path, new ReadTextOptions { DesiredBundleBytes = random.Next(1, 50) }), Is.EqualTo(expected), text);
        }
    }

    [Test]
    public void A_header_is_skipped_once_also_where_it_is_longer_than_a_range([Values(1, 2, 5, 8, 100)] int rangeBytes)
    {
        var path = Write("h.csv", "name,of,the,columns\nsecond header\na\nb\nc\n");
        Assert.That(ReadAll(path, new ReadTextOptions { SkipHeaderLines = 2, DesiredBundleBytes = rangeBytes }), Is.EqualTo(new[] { "a", "b", "c" }));
        Assert.That(ReadAll(path, new ReadTextOptions { SkipHeaderLines = 9, DesiredBundleBytes = rangeBytes }), Is.Empty);
    }

    [Test]
    public void A_byte_order_mark_is_no_text([Values(1, 2, 3, 4, 100)] int rangeBytes)
    {
        var path = Path.Combine(folder, "bom.txt");
        File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, .. "a\nb"u8]);
        Assert.That(ReadAll(path, new ReadTextOptions { DesiredBundleBytes = rangeBytes }), Is.EqualTo(new[] { "a", "b" }));
    }

    [Test]
    public void Compressed_files_are_read_by_their_names()
    {
        var gzip = Path.Combine(folder, "a.txt.gz");
        using (var stream = new GZipStream(File.Create(gzip), CompressionLevel.Fastest)) stream.Write("a\nb\n"u8);
        // Files that were appended to have several members.
        using (var stream = new GZipStream(new FileStream(gzip, FileMode.Append), CompressionLevel.Fastest)) stream.Write("c\n"u8);
        var zlib = Path.Combine(folder, "b.deflate");
        using (var stream = new ZLibStream(File.Create(zlib), CompressionLevel.Fastest)) stream.Write("d"u8);
        var options = new ReadTextOptions { DesiredBundleBytes = 1 };
        Assert.That(ReadAll(gzip, options).Concat(ReadAll(zlib, options)), Is.EqualTo(new[] { "a", "b", "c", "d" }));
    }

    [Test]
    public void A_file_that_is_not_compressed_as_its_name_says_is_named()
    {
        var path = Write("not.gz", "plain text");
        Assert.That(() => ReadAll(path, new()), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("not.gz"));
        Assert.That(ReadAll(path, new() { Compression = Compression.Uncompressed }), Is.EqualTo(new[] { "plain text" }));
    }

    [Test]
    public void A_line_that_is_too_long_is_an_error_that_names_the_file_and_where()
    {
        var path = Write("long.txt", "abc\n" + new string('x', 100) + "\nd\n");
        Assert.That(() => ReadAll(path, new() { MaxLineBytes = 99 }), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("long.txt").And.Message.Contains("byte 4"));
        Assert.That(ReadAll(path, new() { MaxLineBytes = 100 }), Has.Count.EqualTo(3));
    }

    [Test]
    public void A_line_of_megabytes_is_read()
    {
        var line = new string('y', 3_000_000);
        Assert.That(ReadAll(Write("big.txt", $"a\r\n{line}\r\nb"), new() { DesiredBundleBytes = 1_000_000 }), Is.EqualTo(new[] { "a", line, "b" }));
    }

    [Test]
    public void Bytes_that_are_not_text_are_an_error_that_names_the_file_and_where()
    {
        var path = Path.Combine(folder, "latin1.txt");
        File.WriteAllBytes(path, [.. "ok\n"u8, 0xE9, (byte)'\n']);
        Assert.That(() => ReadAll(path, new()), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("latin1.txt").And.Message.Contains("byte 3"));
    }

    [Test]
    public void Patterns_match_as_in_a_shell()
    {
        foreach (var file in new[] { "a.txt", "b.txt", "c.csv", "[d].txt", "sub/a.txt", "sub/deep/a.txt", "sub/deep/.hidden.txt", ".temp/a.txt" }) Write(file, "");
        Assert.Multiple(() =>
        {
            Assert.That(Match("*.txt"), Is.EqualTo(new[] { "[d].txt", "a.txt", "b.txt" }));
            Assert.That(Match("?.txt"), Is.EqualTo(new[] { "a.txt", "b.txt" }));
            Assert.That(Match("[ac].*"), Is.EqualTo(new[] { "a.txt", "c.csv" }));
            Assert.That(Match("[!a].txt"), Is.EqualTo(new[] { "b.txt" }));
            Assert.That(Match("**/a.txt"), Is.EqualTo(new[] { "a.txt", "sub/a.txt", "sub/deep/a.txt" }));
            Assert.That(Match("sub/**"), Is.EqualTo(new[] { "sub/a.txt", "sub/deep/a.txt" }));
            Assert.That(Match("s*/*/a.txt"), Is.EqualTo(new[] { "sub/deep/a.txt" }));
            Assert.That(Match("sub/deep/.h*"), Is.EqualTo(new[] { "sub/deep/.hidden.txt" }));
            Assert.That(Match("a.txt"), Is.EqualTo(new[] { "a.txt" }));
            Assert.That(Match("sub"), Is.Empty);
            Assert.That(Match("nothing/*"), Is.Empty);
        });

    }

    [Test]
    public void Patterns_follow_linked_folders_by_name_and_not_for_ever()
    {
        Write("data/part/a.txt", "");
        try
        {
            Directory.CreateSymbolicLink(Path.Combine(folder, "data", "linked"), Path.Combine(folder, "data", "part"));
            Directory.CreateSymbolicLink(Path.Combine(folder, "data", "part", "up"), folder);
        }
        catch (Exception e) when (OperatingSystem.IsWindows() && e is IOException or UnauthorizedAccessException)
        {
            Assert.Ignore("This account may not create symbolic links.");
        }

        Assert.Multiple(() =>
        {
            Assert.That(Match("data/*/a.txt"), Is.EqualTo(new[] { "data/linked/a.txt", "data/part/a.txt" }));
            Assert.That(Match("da*/linked/a.txt"), Is.EqualTo(new[] { "data/linked/a.txt" }));
            Assert.That(Match("data/linked/*.txt"), Is.EqualTo(new[] { "data/linked/a.txt" }));
            Assert.That(Match("**/linked/*.txt"), Is.EqualTo(new[] { "data/linked/a.txt" }));
            Assert.That(Match("**/a.txt"), Is.EqualTo(new[] { "data/part/a.txt" }));
        });
    }

    [Test]
    public void A_pattern_without_files_fails_when_the_pipeline_is_built()
    {
        var pattern = Path.Combine(folder, "missing-*.txt");
        var pipeline = Pipeline.Create();
        Assert.That(() => pipeline.ReadText(pattern), Throws.InstanceOf<BeamException>().With.Message.Contains(pattern));
        Assert.DoesNotThrow(() => pipeline.ReadText(pattern, new ReadTextOptions { AllowNoMatch = true }));
    }

    [TestCase("a.zst", "Zstandard")]
    [TestCase("a.bz2", "bzip2")]
    public void Compression_that_the_framework_lacks_fails_when_the_pipeline_is_built(string name, string format)
    {
        var path = Write(name, "");
        Assert.That(() => Pipeline.Create().ReadText(path), Throws.InstanceOf<BeamException>().With.Message.Contains(format));
    }

    [Test]
    public void A_scheme_without_a_file_system_is_named() =>
        Assert.That(() => Pipeline.Create().ReadText("nowhere://bucket/a"), Throws.InstanceOf<BeamException>().With.Message.Contains("nowhere://"));

    [Test]
    public void Json_lines_are_decoded_strictly()
    {
        var decoder = new JsonDecoder<Person>(null);
        Assert.That(decoder.Decode("""{"full_name":"Ada","age":36}"""u8, "f", 0), Is.EqualTo(new Person("Ada", 36)));
        Assert.That(decoder.Accepts(" \t"u8), Is.False);
        foreach (var bad in new[] { "{", "null", """{"age":36}""", """{"full_name":null,"age":36}""", """{"full_name":"Ada","age":"x"}""" })
        {
            Assert.That(
                () => decoder.Decode(Encoding.UTF8.GetBytes(bad), "people.jsonl", 17),
                Throws.InstanceOf<InvalidDataException>().With.Message.Contains("people.jsonl").And.Message.Contains("byte 17"), bad);
        }
    }

    private IEnumerable<string> Match(string pattern) =>
        LocalFileSystem.Instance.Match(Path.Combine(folder, pattern)).Select(f => Path.GetRelativePath(folder, f.Path).Replace('\\', '/'));

    private string Write(string name, string text)
    {
        var path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    private static List<string> ReadAll(string path, ReadTextOptions options)
    {
        var decoder = new TextDecoder();
        var lines = new List<string>();
        foreach (var range in FileRange.Split(new FileMetadata(path, new FileInfo(path).Length), options))
        {
            using var reader = new FileRangeReader(range, options);
            while (reader.TryRead(out var line)) lines.Add(decoder.Decode(line, path, reader.Offset));
        }

        return lines;
    }

    private sealed record Person(string FullName, int Age);
}
