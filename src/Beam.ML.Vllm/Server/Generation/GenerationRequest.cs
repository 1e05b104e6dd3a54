using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;

namespace Beam.ML.Vllm.Server.Generation;

/// <summary>What a request for text asks of the engine, whichever endpoint it came to.</summary>
internal sealed record GenerationRequest
{
    /// <summary>The id in the answer.</summary>
    public required string Id { get; init; }

    /// <summary>The id in the engine, to which prompts beyond the first add their number.</summary>
    public string EngineId => field ??= RequestIds.ForEngine(Id);

    /// <summary>The name of the model in the answer.</summary>
    public required string Model { get; init; }

    /// <summary>The adapter that is meant by that name; null for the model itself.</summary>
    public LoraRequest? Lora { get; init; }

    public required IReadOnlyList<EncodedPrompt> Prompts { get; init; }

    /// <summary>How to sample; checked.</summary>
    public required SamplingParams Parameters { get; init; }

    /// <summary>How to search for the completions; null to sample them.</summary>
    public BeamSearchParams? Search { get; init; }

    /// <summary>Tokens in log probabilities are written as <c>token_id:17</c>.</summary>
    public bool TokensAsIds { get; init; }

    /// <summary>It came as a chat, some of whose fields have other names.</summary>
    public bool IsChat { get; init; }

    public required int Priority { get; init; }

    public required StreamOptions Stream { get; init; }

    public long Created { get; } = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>What its constraint of the output was made of.</summary>
    public ConstraintOrigin Constraint { get; init; } = ConstraintOrigin.Own;

    /// <summary>What the engine's refusal is to the client, who may call a field otherwise.</summary>
    public ApiException Explain(InvalidRequestException refusal) => (IsChat, refusal.Field) switch
    {
        (_, "structured_outputs") => Constraint.Explain(refusal),
        (true, "prompt") => ApiException.Invalid(refusal.Message, "messages", refusal),
        (true, "logprobs") => ApiException.Invalid(refusal.Message, "top_logprobs", refusal),
        _ => ApiException.Invalid(refusal.Message, refusal.Field, refusal),
    };

    /// <summary>Completions in the answer, of all prompts.</summary>
    public int Choices => Prompts.Count * Parameters.N;

    /// <summary>Completions that are made for it.</summary>
    public int Sequences => Prompts.Count * Parameters.Sequences;
}
