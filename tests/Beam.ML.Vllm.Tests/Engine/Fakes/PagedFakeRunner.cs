using System.Runtime.InteropServices;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Tests.Engine.Fakes;

/// <summary>
/// A model of no weights that is as strict about its cache as a real one: what it keeps of a position, in the slot that the block table
/// says, is a hash of all tokens up to it, computed from what the slot before holds. A block that is lost, shared wrongly or full of
/// rejected drafts changes what comes next. Its texts repeat themselves often, for drafts to come true.
/// </summary>
internal sealed class PagedFakeRunner(int blocks, int blockSize = 16, int maxModelLength = 256) : IModelRunner
{
    public const int Vocabulary = 24;

    private readonly ulong[] _cache = new ulong[blocks * blockSize];
    private readonly float[] _logits = new float[Vocabulary];
    private readonly ModelRunnerOutput _output = new();

    public int VocabularySize => Vocabulary;

    public int Blocks => blocks;

    public int MaxModelLength => maxModelLength;

    /// <summary>Adapters that are loaded and not disposed of.</summary>
    public int LiveAdapters;

    public int LoadedAdapters;

    /// <summary>Told of each sequence that starts, or starts over.</summary>
    public Action<Sequence>? Started { get; init; }

    public ModelRunnerOutput Execute(SchedulerOutput step)
    {
        _output.Begin(step);
        for (var entry = 0; entry < step.Scheduled.Count; entry++)
        {
            var (sequence, first, count, samples, drafts) = step.Scheduled[entry];
            if (sequence.Lora is { IsDisposed: true }) throw new InvalidOperationException($"{sequence.RequestId} runs with an adapter that was disposed of.");
            if (first == 0) Started?.Invoke(sequence);
            var tokens = sequence.TokensAndDraft(first, count);
            var open = samples;
            for (var i = 0; i < count; i++)
            {
                var chain = Next(first + i == 0 ? Start(sequence.Lora) : _cache[Slot(sequence, first + i - 1)], tokens[i]);
                _cache[Slot(sequence, first + i)] = chain;
                Score(entry, sequence, first + i, chain);
                if (!open || i < count - drafts - 1) continue;
                Logits(chain, tokens[i], _logits);
                if (sequence.Pools)
                {
                    _output.SetPooled(entry, [.. _logits]);
                    break;
                }

                var raw = sequence.Parameters.NumLogprobs is null ? null : (float[])_logits.Clone();
                var token = Sampler.Sample(_logits, sequence.Parameters, sequence.SamplerState);
                if (raw is null) _output.Add(entry, token);
                else _output.Add(entry, token, LogSoftmax.Row(raw, token, sequence.Parameters.NumLogprobs!.Value, sequence.Parameters.LogprobTokenIds));
                open = i + 1 < count && token == tokens[i + 1];
            }
        }

        return _output;
    }

    /// <summary>Each position of a prompt foretells the token after it.</summary>
    private void Score(int entry, Sequence sequence, int position, ulong chain)
    {
        if (!sequence.WantsPromptLogprobs || position < sequence.PromptLogprobs - 1 || position + 1 >= sequence.PromptLength) return;
        Logits(chain, sequence.Tokens[position], _logits);
        _output.AddPrompt(entry, LogSoftmax.Row(_logits, sequence.Tokens[position + 1], sequence.Parameters.PromptLogprobs!.Value));
    }

    public LoraAdapter LoadLora(LoraRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref LiveAdapters);
        Interlocked.Increment(ref LoadedAdapters);
        return Adapter(request.Name, () => Interlocked.Decrement(ref LiveAdapters));
    }

    public static LoraAdapter Adapter(string name, Action? disposed = null) =>
        new(name, new BlockHash((ulong)name.GetHashCode(StringComparison.Ordinal), 1, 2, 3), [], disposed);

    /// <summary>What a request comes to by itself, without an engine.</summary>
    public static int[] Alone(ReadOnlySpan<int> prompt, SamplingParams parameters, LoraAdapter? adapter, IReadOnlyList<int> eos, int maxModelLength = 256)
    {
        var state = new SamplerState(parameters, prompt, [.. eos]);
        var (chain, last, logits, output) = (Start(adapter), 0, new float[Vocabulary], new List<int>());
        foreach (var token in prompt) (chain, last) = (Next(chain, token), token);
        while (prompt.Length + output.Count < maxModelLength && !(output.Count >= parameters.MaxTokens))
        {
            Logits(chain, last, logits);
            last = Sampler.Sample(logits, parameters, state);
            output.Add(last);
            chain = Next(chain, last);
            if (output.Count >= parameters.MinTokens && ((!parameters.IgnoreEos && eos.Contains(last)) || parameters.StopTokenIds.Contains(last))) break;
        }

        return [.. output];
    }

    /// <summary>Throws if the cache does not hold what the computed tokens of a sequence make it.</summary>
    public void Check(Sequence sequence)
    {
        var chain = Start(sequence.Lora);
        for (var i = 0; i < sequence.ComputedTokens; i++)
        {
            chain = Next(chain, sequence.Tokens[i]);
            if (_cache[Slot(sequence, i)] != chain) throw new InvalidOperationException($"Position {i} of {sequence.RequestId} is not in the cache.");
        }
    }

    public void Dispose()
    {
    }

    private int Slot(Sequence sequence, int position) =>
        (CollectionsMarshal.AsSpan(sequence.BlockTable)[position / blockSize] * blockSize) + (position % blockSize);

    private static ulong Start(LoraAdapter? adapter) => adapter is null ? 1 : Mix(adapter.Identity.A ^ adapter.Identity.B);

    private static ulong Next(ulong chain, int token) => Mix(chain ^ ((ulong)token * 0x9E3779B97F4A7C15));

    /// <summary>Mostly the last token decides what comes next, at times all before it as well.</summary>
    private static void Logits(ulong chain, int last, Span<float> logits)
    {
        var state = chain % 11 == 0 ? chain : (ulong)last + 1;
        for (var i = 0; i < logits.Length; i++)
        {
            state = Mix(state + (ulong)i);
            logits[i] = (state >> 40) * (12f / (1 << 24));
        }
    }

    private static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
