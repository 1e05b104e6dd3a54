using Google.Protobuf;

namespace Beam.Coders;

/// <summary>
/// Turns values of one type into bytes and back. Coders are immutable and used by many threads at a time. This is the untyped face
/// of <see cref="Coder{T}"/>, from which every coder derives.
/// </summary>
public abstract class Coder
{
    private protected Coder()
    {
    }

    /// <summary>The type of the values.</summary>
    public abstract Type Type { get; }

    /// <summary>
    /// Whether equal values always have equal bytes, as keys of a grouping must. True if it is so of all <see cref="Components"/>,
    /// unless a coder says otherwise.
    /// </summary>
    public virtual bool IsDeterministic
    {
        get
        {
            foreach (var component in Components)
                if (!component.IsDeterministic) return false;
            return true;
        }
    }

    /// <summary>The coders of the parts of a value, for example of key and value.</summary>
    public virtual IReadOnlyList<Coder> Components => [];

    /// <summary>Encodes a value that is known as an object only; see <see cref="Coder{T}.Encode"/>.</summary>
    public abstract void EncodeObject(object? value, CoderWriter writer, bool nested);

    /// <summary>Decodes a value as an object; see <see cref="Coder{T}.Decode"/>.</summary>
    public abstract object? DecodeObject(ref CoderReader reader, bool nested);

    /// <summary>What the coder is called in a pipeline proto; null for a coder that only .NET knows, which travels as an object.</summary>
    internal virtual string? Urn => null;

    /// <summary>The payload that goes with <see cref="Urn"/>.</summary>
    internal virtual ByteString ToPayload(ICoderPayloadSerializer? serializer) => ByteString.Empty;

    /// <summary>The name of the coder and, in angle brackets, of its components.</summary>
    public override string ToString()
    {
        var name = GetType().Name;
        if (name.IndexOf('`', StringComparison.Ordinal) is var tick and > 0) name = name[..tick];
        return Components.Count == 0 ? name : $"{name}<{string.Join(", ", Components)}>";
    }
}

/// <summary>
/// Turns values of type <typeparamref name="T"/> into bytes and back. A coder of your own derives from it and is registered with
/// <see cref="CoderRegistry.Register{T}(Coder{T})"/>.
/// </summary>
/// <remarks>
/// Beam encodes in two contexts. A <c>nested</c> value is followed by other bytes, so its encoding must tell where it ends. A value
/// that is not nested is the last thing in its scope and extends to the end of the bytes.
/// </remarks>
public abstract class Coder<T> : Coder
{
    /// <inheritdoc/>
    public sealed override Type Type => typeof(T);

    /// <summary>Appends the encoding of a value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="writer">Where to.</param>
    /// <param name="nested">Whether other bytes may follow, so that the encoding must tell where it ends.</param>
    /// <exception cref="CoderException">The value cannot be encoded, for example because it is null.</exception>
    public abstract void Encode(T value, CoderWriter writer, bool nested);

    /// <summary>Reads one value.</summary>
    /// <param name="reader">Where from; afterwards it is behind the value.</param>
    /// <param name="nested">Whether other bytes may follow; if not, the value extends to the end.</param>
    /// <exception cref="CoderException">The bytes are not what <see cref="Encode"/> writes.</exception>
    public abstract T Decode(ref CoderReader reader, bool nested);

    /// <summary>The encoding of one value.</summary>
    public byte[] ToBytes(T value, bool nested = false)
    {
        using var writer = new CoderWriter(64);
        Encode(value, writer, nested);
        return writer.ToArray();
    }

    /// <summary>The value that these bytes, all of them, encode.</summary>
    /// <exception cref="CoderException">They are not the encoding of one value.</exception>
    public T FromBytes(ReadOnlySpan<byte> bytes, bool nested = false)
    {
        var reader = new CoderReader(bytes);
        var value = Decode(ref reader, nested);
        reader.ExpectEnd();
        return value;
    }

    /// <inheritdoc/>
    public sealed override void EncodeObject(object? value, CoderWriter writer, bool nested)
    {
        if (value is T typed) Encode(typed, writer, nested);
        else if (value is null && default(T) is null) Encode(default!, writer, nested);
        else throw new CoderException($"{this} encodes {typeof(T)}, not {value?.GetType().ToString() ?? "null"}.");
    }

    /// <inheritdoc/>
    public sealed override object? DecodeObject(ref CoderReader reader, bool nested) => Decode(ref reader, nested);
}
