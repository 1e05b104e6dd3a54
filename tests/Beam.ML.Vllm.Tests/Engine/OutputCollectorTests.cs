using System.Text;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class OutputCollectorTests
{
    [Test]
    public async Task An_output_costs_what_is_new_however_many_completions_there_are()
    {
        var (one, many) = (await BytesOfAnOutputAsync(1), await BytesOfAnOutputAsync(1024));
        TestContext.Out.WriteLine($"{one} and {many} bytes");
        Assert.That(many, Is.LessThan(2 * one));
    }

    [Test]
    public async Task What_is_not_new_comes_again_as_it_was_where_all_so_far_is_asked_for()
    {
        var request = new Request(new SamplingParams { N = 3, OutputKind = OutputKind.Cumulative });
        foreach (var i in (int[])[2, 0, 1]) request.Publish(i, 10 + i);
        var first = await request.Collector.TakeAsync(default);
        request.Publish(1, 21);
        var second = await request.Collector.TakeAsync(default);
        Assert.That(first.Outputs.Select(o => (o.Index, o.TokenIds[^1])), Is.EqualTo(new[] { (0, 10), (1, 11), (2, 12) }));
        Assert.That(second.Outputs.Select(o => string.Join(' ', o.TokenIds)), Is.EqualTo(new[] { "10", "11 21", "12" }));
        Assert.That((first.Metrics.OutputTokens, second.Metrics.OutputTokens), Is.EqualTo((3, 4)));
    }

    [Test]
    public async Task Pieces_come_in_the_order_of_their_index_with_counts_of_all()
    {
        var request = new Request(new SamplingParams { N = 4, OutputKind = OutputKind.Delta });
        foreach (var i in (int[])[3, 1, 3]) request.Publish(i, i);
        var output = await request.Collector.TakeAsync(default);
        Assert.That(output.Outputs.Select(o => (o.Index, o.TokenIds.Count)), Is.EqualTo(new[] { (1, 1), (3, 2) }));
        Assert.That((output.Metrics.OutputTokens, output.Metrics.PromptTokens, output.Finished), Is.EqualTo((3, 1, false)));
        Assert.That(output.Metrics.TotalTime, Is.InRange(TimeSpan.Zero, TimeSpan.FromHours(1)));
        for (var i = 0; i < 4; i++) request.End(i);
        output = await request.Collector.TakeAsync(default);
        Assert.That((output.Outputs.Count, output.Metrics.OutputTokens, output.Finished), Is.EqualTo((4, 3, true)));
    }

    [Test]
    public async Task The_final_output_comes_when_all_have_ended()
    {
        var request = new Request(new SamplingParams { N = 2, OutputKind = OutputKind.FinalOnly });
        request.Publish(1, 5);
        request.End(1);
        var final = request.Collector.TakeAsync(default).AsTask();
        Assert.That(final.IsCompleted, Is.False);
        request.Publish(0, 6);
        request.End(0);
        Assert.That((await final).Outputs.Select(o => o.TokenIds[0]), Is.EqualTo(new[] { 6, 5 }));
    }

    private static async Task<long> BytesOfAnOutputAsync(int completions)
    {
        const int outputs = 200;
        var request = new Request(new SamplingParams { N = completions, OutputKind = OutputKind.Delta });
        for (var i = 0; i < completions; i++) request.Publish(i, i);
        await request.Collector.TakeAsync(default);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < outputs; i++)
        {
            request.Publish(i % completions, i);
            var output = request.Collector.TakeAsync(default);
            if (!output.IsCompleted || output.Result.Outputs.Count != 1) throw new InvalidOperationException("There is one completion with news.");
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / outputs;
    }

    private sealed class Request
    {
        private readonly Sequence[] _sequences;
        private readonly StringBuilder _text = new("x");

        public Request(SamplingParams parameters)
        {
            Collector = new OutputCollector("r", null, [1], parameters);
            _sequences = [.. Enumerable.Range(0, parameters.N).Select(_ => new Sequence("r", [1], parameters, new SamplerState(parameters, [1])))];
        }

        public OutputCollector Collector { get; }

        public void Publish(int index, int token)
        {
            _sequences[index].Append(token);
            Collector.Publish(index, _text, 0..1, _sequences[index].OutputTokens[^1..], null, RequestProgress.Of(_sequences[index], 0));
        }

        public void End(int index)
        {
            _sequences[index].Finish(FinishReason.Length);
            Collector.Publish(index, _text, 0..0, [], null, RequestProgress.Of(_sequences[index], 0));
        }
    }
}
