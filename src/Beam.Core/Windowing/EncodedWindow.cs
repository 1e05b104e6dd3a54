namespace Beam;

/// <summary>A window of a kind that is not known here: its bytes, and the one thing that must be known of every window.</summary>
public sealed class EncodedWindow : BoundedWindow, IEquatable<EncodedWindow>
{
    /// <summary>Makes a window of its last timestamp and its encoding.</summary>
    public EncodedWindow(Timestamp maxTimestamp, ReadOnlyMemory<byte> encoded)
    {
        MaxTimestamp = maxTimestamp;
        Encoded = encoded;
    }

    /// <inheritdoc/>
    public override Timestamp MaxTimestamp { get; }

    /// <summary>The window, as the SDK that knows it encodes it.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <inheritdoc/>
    public bool Equals(EncodedWindow? other) =>
        other is not null && MaxTimestamp == other.MaxTimestamp && Encoded.Span.SequenceEqual(other.Encoded.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as EncodedWindow);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(MaxTimestamp);
        hash.AddBytes(Encoded.Span);
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => $"EncodedWindow({Encoded.Length} bytes, until {MaxTimestamp})";
}
