using Beam.Model.FnExecution;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>One bundle, as its operators see it.</summary>
internal sealed class BundleContext(
    HarnessServices services, ProcessBundleRequest request, string instructionId, Func<StateReader?> openState, InboundQueue inbound,
    BundleOutput outbound, CancellationToken cancellationToken) : Coders.IIterableStateReader
{
    private readonly Lazy<StateReader?> _state = new(openState);

    public HarnessServices Services => services;

    public string InstructionId => instructionId;

    public CancellationToken CancellationToken => cancellationToken;

    public InboundQueue Inbound => inbound;

    public BundleOutput Outbound => outbound;

    /// <summary>The runner's state.</summary>
    /// <exception cref="InvalidOperationException">The runner offers none to this bundle.</exception>
    public StateReader State => _state.Value
        ?? throw new InvalidOperationException("The bundle reads side inputs or long iterables, but its descriptor names no endpoint for state.");

    /// <summary>Where iterables that did not fit their element go on.</summary>
    public Coders.IIterableStateReader IterableState => this;

    /// <summary>The token under which a side input may be kept from bundle to bundle; null if it may not.</summary>
    public ByteString? SideInputToken(string transformId, string sideInputId)
    {
        foreach (var token in request.CacheTokens)
        {
            if (token.SideInput is { } side && side.TransformId == transformId && side.SideInputId == sideInputId) return token.Token;
        }

        return null;
    }

    /// <summary>Fails the bundle from another thread: its own gets the error when it next waits for elements.</summary>
    public void Fail(Exception error) => inbound.Close(error);

    IEnumerable<ReadOnlyMemory<byte>> Coders.IIterableStateReader.ReadPages(ReadOnlyMemory<byte> token) =>
        ((Coders.IIterableStateReader)State).ReadPages(token);
}
