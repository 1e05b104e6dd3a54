using Beam.Coders;
using Beam.Model.FnExecution;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>Reads state for one bundle, page by page. Its callers are synchronous code of the user's, so it blocks their threads.</summary>
internal sealed class StateReader(StateStream stream, string instructionId, CancellationToken cancellationToken) : IIterableStateReader
{
    /// <summary>The pages of a state key, each fetched when it is asked for.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Pages(StateKey key)
    {
        var token = ByteString.Empty;
        do
        {
            var page = Get(key, token);
            token = page.ContinuationToken;
            yield return page.Data.Memory;
        }
        while (!token.IsEmpty);
    }

    /// <summary>The first page of a state key, and whether it is the only one.</summary>
    public (ReadOnlyMemory<byte> Data, bool IsAll) FirstPage(StateKey key)
    {
        var page = Get(key, ByteString.Empty);
        return (page.Data.Memory, page.ContinuationToken.IsEmpty);
    }

    /// <summary>The values of a state key.</summary>
    public IEnumerable<T> Values<T>(StateKey key, Coder<T> coder, Action<long>? onBytes = null) => PagedValues.Decode(Pages(key), coder, this, onBytes);

    private StateGetResponse Get(StateKey key, ByteString token)
    {
        var request = new StateRequest { InstructionId = instructionId, StateKey = key, Get = new StateGetRequest { ContinuationToken = token } };
        return stream.CallAsync(request, cancellationToken).GetAwaiter().GetResult().Get
            ?? throw new IOException("The runner answered a state request without data.");
    }

    IEnumerable<ReadOnlyMemory<byte>> IIterableStateReader.ReadPages(ReadOnlyMemory<byte> token) =>
        Pages(new StateKey { Runner = new StateKey.Types.Runner { Key = ByteString.CopyFrom(token.Span) } });
}
