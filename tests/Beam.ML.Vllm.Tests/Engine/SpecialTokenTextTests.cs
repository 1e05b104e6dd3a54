using System.Text;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Tokenizers.Decoding;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>What becomes of special tokens in the text, with a tokenizer that puts a space before every token.</summary>
[TestFixture]
public sealed class SpecialTokenTextTests
{
    [TestCase(true, true, ExpectedResult = " 1 2")]
    [TestCase(false, true, ExpectedResult = " 1 <90> <91> 2 <92>")]
    [TestCase(false, false, ExpectedResult = " 1 <90><91> 2 <92>")]
    public async Task<string> Spaces_between_them_are_kept_or_not(bool skip, bool spaces)
    {
        var parameters = new SamplingParams { SkipSpecialTokens = skip, SpacesBetweenSpecialTokens = spaces, OutputKind = OutputKind.FinalOnly };
        var sequence = new Sequence("s", [5], parameters, new SamplerState(parameters, [5]));
        var collector = new OutputCollector("s", null, [5], parameters);
        var state = new OutputState(sequence, new SpacedTokenizer(), collector);
        foreach (var token in new[] { 1, 90, 91, 2, 92 })
        {
            sequence.Append(token);
            state.Append(hideToken: false, ends: false);
        }

        sequence.Finish(FinishReason.Stop);
        state.Publish();
        return (await collector.TakeAsync(default)).Text;
    }

    private sealed class SpacedTokenizer : Tokenizer
    {
        public override int VocabularySize => 100;

        public override int[] Encode(string text, bool addSpecialTokens = true) => throw new NotSupportedException();

        public override bool IsSpecial(int id) => id >= 90;

        public override int? TokenToId(string token) => null;

        public override string IdToToken(int id) => IsSpecial(id) ? $"<{id}>" : $"{id}";

        internal override TokenStream CreateStream(bool skipSpecialTokens) => new Stream(this, skipSpecialTokens);

        private sealed class Stream(SpacedTokenizer tokenizer, bool skipSpecialTokens) : TokenStream
        {
            public override void Push(int id)
            {
                if (!skipSpecialTokens || !tokenizer.IsSpecial(id)) Output.Append(Encoding.UTF8.GetBytes(" " + tokenizer.IdToToken(id)));
            }

            public override void Flush() => Output.Finish();
        }
    }
}
