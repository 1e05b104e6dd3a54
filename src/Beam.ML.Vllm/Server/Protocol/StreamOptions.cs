using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Whether and how an answer comes in pieces.</summary>
internal sealed record StreamOptions(bool Stream, bool IncludeUsage, bool ContinuousUsage)
{
    public static StreamOptions Read(JsonFields fields)
    {
        var stream = fields.Bool("stream");
        if (fields.Object("stream_options") is not { } options) return new StreamOptions(stream, false, false);
        if (!stream) throw ApiException.Invalid("stream_options can only be given with stream=true.", "stream_options");
        var usage = options.Bool("include_usage", otherwise: true);
        return new StreamOptions(stream, usage, usage && options.Bool("continuous_usage_stats"));
    }
}
