using System.Text;
using System.Text.Json;
using Beam.IO;
using NUnit.Framework;

namespace Beam.Core.Tests.IO;

public sealed class TextWritingTests
{
    [TestCase("-SSSSS-of-NNNNN", 2, 3, "out-00002-of-00003.txt")]
    [TestCase("-SS-of-NN", 7, 100, "out-07-of-100.txt")]
    [TestCase("_S", 0, 1, "out_0.txt")]
    [TestCase("", 0, 1, "out.txt")]
    public void Shards_are_named_by_the_template(string template, int shard, int count, string expected) =>
        Assert.That(ShardNames.Of("out", template, ".txt", shard, count), Is.EqualTo(expected));

    [Test]
    public void An_output_that_cannot_be_written_fails_when_the_pipeline_is_built()
    {
        var file = Path.GetTempFileName();
        try
        {
            var prefix = Path.Combine(file, "folder", "out");
            var error = Assert.Throws<BeamException>(() => Pipeline.Create().Create("a").WriteText(prefix));
            Assert.That(error!.Message, Does.Contain(Path.GetDirectoryName(prefix)!).And.Not.Contains("\n"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void Shards_that_would_share_a_name_are_refused()
    {
        var input = Pipeline.Create().Create("a");
        var one = new WriteTextOptions { ShardNameTemplate = "" };
        var prefix = Path.Combine(Path.GetTempPath(), "out");
        Assert.Multiple(() =>
        {
            Assert.Throws<PipelineConstructionException>(() => input.WriteText(prefix, options: one));
            Assert.Throws<PipelineConstructionException>(() => input.WriteText(prefix, numShards: 2, options: one));
            Assert.Throws<PipelineConstructionException>(() => input.WriteText(prefix, numShards: -1));
            Assert.DoesNotThrow(() => input.WriteText(prefix, numShards: 1, options: one));
        });
    }

    [Test]
    public void Records_are_one_line_each_whatever_the_options()
    {
        using var stream = new MemoryStream();
        var encoder = new JsonEncoder<Answer>(() => new JsonSerializerOptions(JsonLines.CreateOptions()) { WriteIndented = true });
        encoder.Write(new("What is the capital of France?", "Paris \u2014 \u00eele\n2", 3), stream);
        encoder.Write(new("", "", 0), stream);
        Assert.That(Encoding.UTF8.GetString(stream.ToArray()), Is.EqualTo(
            """{"prompt":"What is the capital of France?","the_answer":"Paris — île\n2","output_tokens":3}{"prompt":"","the_answer":"","output_tokens":0}"""));
    }

    [Test]
    public void Long_text_is_written_whole()
    {
        using var stream = new MemoryStream();
        var text = new string('\u4e2d', 10_000);
        new TextEncoder().Write(text, stream);
        Assert.That(Encoding.UTF8.GetString(stream.ToArray()), Is.EqualTo(text));
    }

    private sealed record Answer(string Prompt, string TheAnswer, int OutputTokens);
}
