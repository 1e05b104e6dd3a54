using System.Text.Json;
using System.Text.Json.Serialization;

namespace Beam.ML.Inference.Sharing;

/// <summary>What the holder of the lease publishes of the host that it started: where it is, or why there is none.</summary>
internal sealed record HostRecord
{
    /// <summary>The fencing token: higher than that of every host before it.</summary>
    public required long Generation { get; init; }

    /// <summary>The host's process.</summary>
    public required int ProcessId { get; init; }

    /// <summary>When that process started, as <see cref="LeftoverHost.StartOf"/> tells it: tells it from another that got the same id later.</summary>
    public required long ProcessStarted { get; init; }

    /// <summary>The worker that holds the lease.</summary>
    public required string OwnerWorker { get; init; }

    /// <summary>The Unix domain socket.</summary>
    public required string Socket { get; init; }

    /// <summary>What callers prove themselves with. The file is readable by its user only.</summary>
    public required string Token { get; init; }

    /// <summary>Whether the host takes requests. A record of a host that is not ready serves its owner's successor, which ends it.</summary>
    public bool IsReady { get; init; }

    /// <summary>Why the model cannot be loaded; null if it can.</summary>
    public string? Error { get; init; }

    public override string ToString() => $"host {ProcessId} (generation {Generation}, owner {OwnerWorker})";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HostRecord))]
internal sealed partial class HostRecordJson : JsonSerializerContext;
