using System.Linq.Expressions;
using Beam.Coders.Standard;
using Beam.Model;

namespace Beam.Coders.Composite;

/// <summary>
/// A tuple's items one after the other, all nested but the last. A pair is Beam's key-value pair. The code is compiled for the tuple's
/// type, so that no item is boxed.
/// </summary>
internal sealed class TupleCoder<TTuple> : Coder<TTuple>
{
    private readonly Coder[] _items;
    private readonly Lazy<Encoder> _encode;
    private readonly Lazy<Decoder> _decode;

    public TupleCoder(Coder[] items)
    {
        _items = items;
        _encode = new(CompileEncode);
        _decode = new(CompileDecode);
    }

    private delegate void Encoder(TTuple value, CoderWriter writer, bool nested);

    private delegate TTuple Decoder(ref CoderReader reader, bool nested);

    public override IReadOnlyList<Coder> Components => _items;

    internal override string Urn => _items.Length == 2 ? BeamUrns.Coders.Kv : CoderUrns.Tuple;

    public override void Encode(TTuple value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        _encode.Value(value, writer, nested);
    }

    public override TTuple Decode(ref CoderReader reader, bool nested) => _decode.Value(ref reader, nested);

    private Encoder CompileEncode()
    {
        var value = Expression.Parameter(typeof(TTuple));
        var writer = Expression.Parameter(typeof(CoderWriter));
        var nested = Expression.Parameter(typeof(bool));
        var body = _items.Select((item, i) =>
            CoderExpressions.Encode(item, Expression.PropertyOrField(value, $"Item{i + 1}"), writer, Nested(i, nested)));
        return Expression.Lambda<Encoder>(Expression.Block(body), value, writer, nested).Compile();
    }

    private Decoder CompileDecode()
    {
        var reader = Expression.Parameter(typeof(CoderReader).MakeByRefType());
        var nested = Expression.Parameter(typeof(bool));
        var items = Array.ConvertAll(_items, item => Expression.Variable(item.Type));
        var body = _items.Select((item, i) => (Expression)Expression.Assign(items[i], CoderExpressions.Decode(item, reader, Nested(i, nested))))
            .Append(Expression.New(typeof(TTuple).GetConstructor(Array.ConvertAll(items, item => item.Type))!, items));
        return Expression.Lambda<Decoder>(Expression.Block(items, body), reader, nested).Compile();
    }

    private Expression Nested(int item, Expression nested) => item < _items.Length - 1 ? Expression.Constant(true) : nested;
}
