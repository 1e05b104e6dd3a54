using System.Diagnostics;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>What is to be told of a request when it has been answered.</summary>
internal sealed class RequestTrace
{
    private const int MaxIgnored = 16;

    private readonly long _start = Stopwatch.GetTimestamp();

    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>What it has cost so far; null if it never came to the engine.</summary>
    public Usage? Usage { get; set; }

    /// <summary>Fields that had no effect.</summary>
    public IReadOnlyList<string> Ignored { get; private set; } = [];

    /// <summary>The client went away before the answer's end.</summary>
    public bool IsAborted { get; set; }

    public static RequestTrace Begin(HttpContext http)
    {
        var trace = new RequestTrace();
        http.Features.Set(trace);
        return trace;
    }

    public static RequestTrace Of(HttpContext http) => http.Features.Get<RequestTrace>() ?? Begin(http);

    public void Ignore(JsonFields fields) => Ignored = [.. fields.Unread().Take(MaxIgnored)];
}
