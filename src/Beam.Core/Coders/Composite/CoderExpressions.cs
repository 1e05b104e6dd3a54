using System.Linq.Expressions;

namespace Beam.Coders.Composite;

/// <summary>Calls of a coder's typed methods, for code that is compiled at run time.</summary>
internal static class CoderExpressions
{
    // On the coder's own, sealed type, so that the JIT can call straight.
    internal static Expression Encode(Coder coder, Expression value, Expression writer, Expression nested) => Expression.Call(
        Expression.Constant(coder, coder.GetType()),
        coder.GetType().GetMethod(nameof(Coder<int>.Encode), [coder.Type, typeof(CoderWriter), typeof(bool)])!,
        value, writer, nested);

    internal static Expression Decode(Coder coder, ParameterExpression reader, Expression nested) => Expression.Call(
        Expression.Constant(coder, coder.GetType()),
        coder.GetType().GetMethod(nameof(Coder<int>.Decode), [typeof(CoderReader).MakeByRefType(), typeof(bool)])!,
        reader, nested);
}
