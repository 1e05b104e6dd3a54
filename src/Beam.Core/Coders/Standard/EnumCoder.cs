using System.Runtime.CompilerServices;

namespace Beam.Coders.Standard;

/// <summary>An enum as its underlying integer. Values without a name travel as well, as they do in C#.</summary>
internal sealed class EnumCoder<TEnum, TUnderlying> : Coder<TEnum>
    where TEnum : struct, Enum
    where TUnderlying : struct
{
    private readonly Coder<TUnderlying> _underlying;

    public EnumCoder(Coder<TUnderlying> underlying) => _underlying = underlying;

    internal override string? Urn => _underlying.Urn;

    public override void Encode(TEnum value, CoderWriter writer, bool nested) =>
        _underlying.Encode(Unsafe.BitCast<TEnum, TUnderlying>(value), writer, nested);

    public override TEnum Decode(ref CoderReader reader, bool nested) =>
        Unsafe.BitCast<TUnderlying, TEnum>(_underlying.Decode(ref reader, nested));
}
