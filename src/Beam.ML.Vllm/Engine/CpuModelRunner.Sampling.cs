using System.Buffers;
using System.Runtime.InteropServices;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>What follows the model: tokens, log probabilities and pooled states from the rows of a step.</summary>
internal sealed partial class CpuModelRunner
{
    /// <summary>
    /// Rows whose logits are computed at a time, to sample from: with drafts, those of a large batch would take gigabytes. An entry's rows
    /// stay together, and those of the longest draft are no more than this.
    /// </summary>
    private const int LogitRowsAtATime = 1 + 128;

    /// <summary>Rows of a prompt whose logits are computed at a time: a long prompt's at once would take more memory than the model.</summary>
    private const int PromptRowsAtATime = 32;

    private readonly int[] _scoredRows = new int[PromptRowsAtATime];
    private readonly LogprobsRow[] _scores = new LogprobsRow[PromptRowsAtATime];

    /// <summary>Each row of a prompt foretells the token after it.</summary>
    private void AddPromptRows(int entry, ScheduledTokens scheduled, int firstRow)
    {
        var sequence = scheduled.Sequence;
        var end = Math.Min(scheduled.FirstToken + scheduled.Tokens, sequence.PromptLength - 1);
        for (var position = Math.Max(scheduled.FirstToken, sequence.PromptLogprobs - 1); position < end; position++)
            _promptRows.Add(new PromptRow(entry, sequence, firstRow + position - scheduled.FirstToken, sequence.Tokens[position + 1]));
    }

    private void Sample(SchedulerOutput step)
    {
        for (int first = 0, end; first < _sampling.Count; first = end)
        {
            var firstRow = _sampling[first].Row;
            for (end = first + 1; end < _sampling.Count && EndRow(end) - firstRow <= LogitRowsAtATime;) end++;
            var logits = _model.Logits(_context, CollectionsMarshal.AsSpan(_logitRows)[firstRow..EndRow(end - 1)]);
            var work = new SampleWork { Runner = this, Step = step, First = first, End = end, FirstRow = firstRow, Logits = logits };
            _pool.Run(ref work, end - first > 1 && (long)(end - first) * VocabularySize > 1 << 14);
        }

        int EndRow(int entry) => entry + 1 < _sampling.Count ? _sampling[entry + 1].Row : _logitRows.Count;
    }

    private void ScorePrompts()
    {
        for (var first = 0; first < _promptRows.Count; first += PromptRowsAtATime)
        {
            var rows = CollectionsMarshal.AsSpan(_promptRows).Slice(first, Math.Min(PromptRowsAtATime, _promptRows.Count - first));
            for (var i = 0; i < rows.Length; i++) _scoredRows[i] = rows[i].Row;
            var logits = _model.Logits(_context, _scoredRows.AsSpan(0, rows.Length));
            var work = new ScoreWork { Runner = this, First = first, Logits = logits };
            _pool.Run(ref work);
            for (var i = 0; i < rows.Length; i++) _output.AddPrompt(rows[i].Entry, _scores[i]);
        }
    }

    private void Pool()
    {
        Span<int> row = stackalloc int[1];
        foreach (var (entry, at) in _pooling)
        {
            row[0] = at;
            _output.SetPooled(entry, _model.FinalHidden(_context, row).RowSpan(0).ToArray());
        }
    }

    private readonly record struct PromptRow(int Entry, Sequence Sequence, int Row, int Token);

    /// <summary>Each request samples from its own logits with its own state: the threads share nothing.</summary>
    private struct SampleWork : IParallelWork
    {
        public CpuModelRunner Runner;
        public SchedulerOutput Step;
        public int First;
        public int End;
        public int FirstRow;
        public Matrix Logits;

        public readonly void Run(int part, int parts)
        {
            for (var i = First + part; i < End; i += parts)
            {
                var (entry, row) = Runner._sampling[i];
                var sequence = Step.Scheduled[entry].Sequence;
                var sampled = 0;
                try
                {
                    // As without a draft, token by token; a token that comes out as drafted is why the next row is of use.
                    for (var drafts = Step.Scheduled[entry].Drafts; sampled <= drafts;)
                    {
                        var token = Sample(entry, sequence, Logits.RowSpan(row - FirstRow + sampled));
                        if (sampled++ == drafts || token != sequence.Draft[sampled - 1]) break;
                    }
                }
                catch (Exception) when (sampled > 0)
                {
                    // The tokens before stand, and may end the request; if not, the next step comes to the same point.
                }
                catch (ArgumentException e)
                {
                    sequence.Finish(FinishReason.Error, failure: new InvalidRequestException($"Request {sequence.RequestId}: {e.Message}", e));
                }
                catch (Exception e)
                {
                    sequence.Finish(FinishReason.Error, failure: new RequestFailedException($"Request {sequence.RequestId} failed while its next token was chosen: {e.Message}", e));
                }
            }
        }

        private readonly int Sample(int entry, Sequence sequence, Span<float> logits)
        {
            var parameters = sequence.Parameters;
            if (parameters.NumLogprobs is not { } top)
            {
                var token = Sampler.Sample(logits, parameters, sequence.SamplerState);
                Runner._output.Add(entry, token);
                return token;
            }

            // Log probabilities are those of the model alone, and sampling overwrites its logits.
            var copy = ArrayPool<float>.Shared.Rent(logits.Length);
            try
            {
                var raw = copy.AsSpan(0, logits.Length);
                logits.CopyTo(raw);
                var chosen = Sampler.Sample(logits, parameters, sequence.SamplerState);
                Runner._output.Add(entry, chosen, LogSoftmax.Row(raw, chosen, top, parameters.LogprobTokenIds));
                return chosen;
            }
            finally
            {
                ArrayPool<float>.Shared.Return(copy);
            }
        }
    }

    private struct ScoreWork : IParallelWork
    {
        public CpuModelRunner Runner;
        public int First;
        public Matrix Logits;

        public readonly void Run(int part, int parts)
        {
            for (var i = part; i < Logits.Rows; i += parts)
            {
                var row = Runner._promptRows[First + i];
                Runner._scores[i] = LogSoftmax.Row(Logits.RowSpan(i), row.Token, row.Sequence.Parameters.PromptLogprobs!.Value);
            }
        }
    }
}
