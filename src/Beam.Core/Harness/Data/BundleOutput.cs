using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>
/// What a bundle sends to the runner. The last messages of all sinks go together: over the data stream, or within the bundle's response
/// where the runner offers that and nothing has been sent before.
/// </summary>
internal sealed class BundleOutput(DataClient client, string instructionId, bool mayEmbed, CancellationToken cancellationToken)
{
    private const int MaxEmbeddedBytes = 1 << 20;

    private readonly Dictionary<string, (ApiServiceDescriptor Endpoint, Elements Elements)> _last = [];
    private bool _streamed;

    /// <summary>Sends elements now. Blocks the bundle's thread while the runner has no room for them.</summary>
    public void Send(ApiServiceDescriptor endpoint, string transformId, ByteString data)
    {
        _streamed = true;
        var elements = new Elements();
        elements.Data.Add(new Elements.Types.Data { InstructionId = instructionId, TransformId = transformId, Data_ = data });
        Write(endpoint, elements);
    }

    /// <summary>Keeps the rest of a sink's elements, and their end, for <see cref="Complete"/>.</summary>
    public void Finish(ApiServiceDescriptor endpoint, string transformId, ByteString data)
    {
        var elements = LastOf(endpoint);
        // The end is a message of its own: other SDKs look at no data that comes with it.
        if (!data.IsEmpty) elements.Data.Add(new Elements.Types.Data { InstructionId = instructionId, TransformId = transformId, Data_ = data });
        elements.Data.Add(new Elements.Types.Data { InstructionId = instructionId, TransformId = transformId, IsLast = true });
    }

    public void FinishTimers(ApiServiceDescriptor endpoint, string transformId, string timerFamilyId) =>
        LastOf(endpoint).Timers.Add(new Elements.Types.Timers
        {
            InstructionId = instructionId, TransformId = transformId, TimerFamilyId = timerFamilyId, IsLast = true,
        });

    /// <summary>Sends what is left.</summary>
    /// <returns>The elements to put into the response, if they go there.</returns>
    public Elements? Complete()
    {
        if (_last.Count == 0) return null;
        if (mayEmbed && !_streamed && _last.Values.Sum(l => (long)l.Elements.CalculateSize()) <= MaxEmbeddedBytes)
        {
            var embedded = new Elements();
            foreach (var (_, elements) in _last.Values) embedded.MergeFrom(elements);
            return embedded;
        }

        foreach (var (endpoint, elements) in _last.Values) Write(endpoint, elements);
        return null;
    }

    private Elements LastOf(ApiServiceDescriptor endpoint)
    {
        if (!_last.TryGetValue(endpoint.Url, out var last)) _last.Add(endpoint.Url, last = (endpoint, new Elements()));
        return last.Elements;
    }

    // The bundle's thread is its own, and may block.
    private void Write(ApiServiceDescriptor endpoint, Elements elements)
    {
        var stream = client.ConnectAsync(endpoint, cancellationToken).AsTask().GetAwaiter().GetResult();
        var writing = stream.SendAsync(elements, cancellationToken);
        if (writing.IsCompleted) writing.GetAwaiter().GetResult();
        else writing.AsTask().GetAwaiter().GetResult();
    }
}
