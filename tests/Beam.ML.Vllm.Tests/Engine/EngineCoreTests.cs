using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Tokenizers.Decoding;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>The step loop by itself, over a runner that only counts.</summary>
[TestFixture]
public sealed class EngineCoreTests
{
    [Test]
    public void Lists_of_token_ids_are_not_walked_for_each_token()
    {
        CountedList allowed = new(Enumerable.Range(0, PagedFakeRunner.Vocabulary)), stop = new([PagedFakeRunner.Vocabulary - 1]);
        var parameters = new SamplingParams { Temperature = 0, MinTokens = 20, MaxTokens = 40, AllowedTokenIds = allowed, StopTokenIds = stop };
        using var harness = new CoreHarness(new PagedFakeRunner(64), new EngineOptions { Model = "fake", SpeculativeConfig = new() { NumSpeculativeTokens = 4 } });
        var sequence = harness.Add(new CoreRequest([3, 1, 4, 3, 1, 4], parameters));
        harness.Core.Step();
        var before = (allowed.Reads, stop.Reads);
        while (sequence.FinishReason is null) harness.Core.Step();
        Assert.That(sequence.OutputLength, Is.GreaterThanOrEqualTo(20));
        Assert.That((allowed.Reads, stop.Reads), Is.EqualTo(before));
    }

    [Test]
    public async Task A_text_that_cannot_be_decoded_ends_its_own_request_and_no_other()
    {
        using var core = NewCore(out var runner);
        var poisoned = Add(core, "poisoned", first: 100, poison: 102);
        var healthy = Add(core, "healthy", first: 200, poison: -1);
        while (core.Step())
        {
        }

        var error = await Assert.ThrowsAsync<RequestFailedException>(async () => await poisoned.TakeAsync(default));
        Assert.That(error!.Message, Does.Contain("poisoned").And.Contain("no such character"));
        var output = await healthy.TakeAsync(default);
        Assert.Multiple(() =>
        {
            Assert.That((output.Finished, output.FinishReason, output.Text), Is.EqualTo((true, "length", "201 202 203 204 205 ")));
            Assert.That(core.LiveRequests, Is.Zero);
            Assert.That(core.HasUnfinished, Is.False);
            Assert.That(core.Blocks.FreeBlocks, Is.EqualTo(runner.Blocks));
        });
    }

    [Test]
    public void Publishing_for_a_reader_that_never_reads_costs_the_same_for_every_token()
    {
        // If each output were made on the step loop, 4,000 tokens would take 32 MB of token arrays alone. What is allowed is buffers that
        // double now and then.
        const int Tokens = 4000;
        var parameters = new SamplingParams { OutputKind = OutputKind.Cumulative, MaxTokens = Tokens, IgnoreEos = true };
        var sequence = new Sequence("s", [1], parameters, new SamplerState(parameters, [1]));
        var collector = new OutputCollector("s", null, [1], parameters);
        var state = new OutputState(sequence, new SpellingTokenizer(poison: -1), collector);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Tokens; i++)
        {
            sequence.Append(7);
            state.Append(hideToken: false, ends: false);
            state.Publish();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 17));
    }

    [Test]
    public async Task Where_one_completion_fails_the_request_fails_with_it_at_once()
    {
        var parameters = new SamplingParams { N = 2, OutputKind = OutputKind.Delta, MaxTokens = 100 };
        var collector = new OutputCollector("s", null, [1], parameters);
        var sequences = Enumerable.Range(0, 2).Select(_ => new Sequence("s", [1], parameters, new SamplerState(parameters, [1]))).ToArray();
        var states = sequences.Select((s, i) => new OutputState(s, new SpellingTokenizer(poison: -1), collector, i)).ToArray();
        Next(0);
        Next(1);
        states[0].Fail(new RequestFailedException("The first has failed."));
        Next(1);
        var output = await collector.TakeAsync(default);
        Assert.That(output.Outputs.Select(o => (o.Index, o.TokenIds.Count)), Is.EqualTo(new[] { (0, 1), (1, 1) }), "what was published before");
        Next(1);
        var error = await Assert.ThrowsAsync<RequestFailedException>(async () => await collector.TakeAsync(default));
        Assert.That(error!.Message, Is.EqualTo("The first has failed."));

        void Next(int i)
        {
            sequences[i].Append(7);
            states[i].Append(hideToken: false, ends: false);
            states[i].Publish();
        }
    }

    [Test]
    public async Task Cumulative_outputs_that_were_handed_out_do_not_change_when_more_comes()
    {
        var parameters = new SamplingParams { OutputKind = OutputKind.Cumulative, MaxTokens = 100, IgnoreEos = true };
        var sequence = new Sequence("s", [1], parameters, new SamplerState(parameters, [1]));
        var collector = new OutputCollector("s", null, [1], parameters);
        var state = new OutputState(sequence, new SpellingTokenizer(poison: -1), collector);
        var outputs = new List<RequestOutput>();
        for (var i = 0; i < 50; i++)
        {
            sequence.Append(i);
            state.Append(hideToken: false, ends: false);
            state.Publish();
            outputs.Add(await collector.TakeAsync(default));
        }

        for (var i = 0; i < outputs.Count; i++)
        {
            Assert.That(outputs[i].TokenIds, Is.EqualTo(Enumerable.Range(0, i + 1)));
            Assert.That(outputs[i].Text, Is.EqualTo(string.Concat(Enumerable.Range(0, i + 1).Select(n => $"{n} "))));
        }
    }

    private static EngineCore NewCore(out CountingRunner runner)
    {
        runner = new CountingRunner();
        return new EngineCore(runner, new EngineOptions { Model = "none" }, new EosTokens(null, []));
    }

    private static OutputCollector Add(EngineCore core, string id, int first, int poison)
    {
        var parameters = new SamplingParams { MaxTokens = 5, OutputKind = OutputKind.FinalOnly };
        var sequence = new Sequence(id, [first], parameters, new SamplerState(parameters, [first]));
        var collector = new OutputCollector(id, null, [first], parameters);
        core.Add(sequence, new OutputState(sequence, new SpellingTokenizer(poison), collector));
        return collector;
    }

    /// <summary>Each next token is one more than the last.</summary>
    private sealed class CountingRunner : IModelRunner
    {
        private readonly ModelRunnerOutput _output = new();

        public int VocabularySize => 1000;

        public int Blocks => 16;

        public int MaxModelLength => 256;

        public ModelRunnerOutput Execute(SchedulerOutput step)
        {
            _output.Begin(step);
            for (var i = 0; i < step.Scheduled.Count; i++) _output.Add(i, step.Scheduled[i].Sequence.Tokens[^1] + 1);
            return _output;
        }

        public void Dispose()
        {
        }
    }

    /// <summary>Spells token ids as numbers, but for one.</summary>
    private sealed class SpellingTokenizer(int poison) : Tokenizer
    {
        public override int VocabularySize => 1000;

        public override int[] Encode(string text, bool addSpecialTokens = true) => [.. text.Split(' ').Select(int.Parse)];

        public override bool IsSpecial(int id) => false;

        public override int? TokenToId(string token) => int.Parse(token);

        public override string? IdToToken(int id) => $"{id}";

        internal override TokenStream CreateStream(bool skipSpecialTokens) => new Stream(poison);

        private sealed class Stream(int poison) : TokenStream
        {
            public override void Push(int id)
            {
                if (id == poison) throw new InvalidOperationException("There is no such character.");
                Span<byte> text = stackalloc byte[16];
                id.TryFormat(text, out var length);
                text[length] = (byte)' ';
                Output.Append(text[..(length + 1)]);
            }

            public override void Flush() => Output.Finish();
        }
    }

    private sealed class CountedList(IEnumerable<int> items) : IReadOnlyList<int>
    {
        private readonly int[] _items = [.. items];

        public int Reads { get; private set; }

        public int Count => _items.Length;

        public int this[int index]
        {
            get
            {
                Reads++;
                return _items[index];
            }
        }

        public IEnumerator<int> GetEnumerator()
        {
            foreach (var item in _items)
            {
                Reads++;
                yield return item;
            }
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
