using Beam.Model;

namespace Beam.Coders.Collections;

/// <summary>
/// An iterable of which a runner may send only the beginning, with a token for the rest, as it does with the values of a hot key.
/// What .NET writes is always whole.
/// </summary>
internal sealed class StateBackedIterableCoder<T> : Coder<IEnumerable<T>>
{
    private readonly Coder<T> _element;
    private readonly Coder[] _components;

    public StateBackedIterableCoder(Coder<T> element)
    {
        _element = element;
        _components = [element];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.StateBackedIterable;

    public override void Encode(IEnumerable<T> value, CoderWriter writer, bool nested) =>
        IterableFormat.Encode(value, _element, writer, this);

    public override IEnumerable<T> Decode(ref CoderReader reader, bool nested)
    {
        var values = IterableFormat.DecodeList(ref reader, _element, allowToken: true, out var token);
        if (token is null) return values;
        var state = reader.State ?? throw new CoderException(
            "The rest of an iterable is in the runner's state, and state cannot be read here.");
        return new StateBackedIterable<T>(values, token, _element, state);
    }
}
