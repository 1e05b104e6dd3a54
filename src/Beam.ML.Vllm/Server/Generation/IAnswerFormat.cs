using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Protocol;

namespace Beam.ML.Vllm.Server.Generation;

/// <summary>How an endpoint writes what the engine makes. One object serves one request; calls take turns.</summary>
internal interface IAnswerFormat
{
    /// <summary>The whole answer.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="outputs">The final output of each prompt.</param>
    /// <param name="usage">What it has cost.</param>
    void Write(Utf8JsonWriter json, IReadOnlyList<RequestOutput> outputs, Usage usage);

    /// <summary>The events that an output of a stream makes; possibly none.</summary>
    void WriteEvents(EventStream stream, int prompt, RequestOutput output);

    /// <summary>The last event, which has no choices.</summary>
    void WriteUsage(Utf8JsonWriter json, Usage usage);
}
