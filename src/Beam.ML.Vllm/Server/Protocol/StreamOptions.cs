using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Whether and how an answer comes in pieces.</summary>
internal sealed record StreamOptions(bool Stream, bool IncludeUsage, bool ContinuousUsage)
{
    /// <param name="fields">The request.</param>
    /// <param name="forceUsage">Each event of a stream tells usage, whatever the request says.</param>
    public static StreamOptions Read(JsonFields fields, bool forceUsage)
    {
        var stream = fields.Bool("stream");
        if (fields.Object("stream_options") is not { } options) return new StreamOptions(stream, stream && forceUsage, stream && forceUsage);
        if (!stream) throw ApiException.Invalid("stream_options can only be given with stream=true.", "stream_options");
        var usage = options.Bool("include_usage", otherwise: true);
        var continuous = options.Bool("continuous_usage_stats");
        return new StreamOptions(stream, usage || forceUsage, (usage && continuous) || forceUsage);
    }
}
