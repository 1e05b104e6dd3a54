using System.Linq.Expressions;
using System.Reflection;
using Beam.Coders;
using Beam.Coders.Composite;

namespace Beam.Schemas;

internal delegate void RowEncoder<in T>(T value, CoderWriter writer);

internal delegate T RowDecoder<out T>(ref CoderReader reader, ref RowHeader header);

/// <summary>Compiles the code that encodes and decodes rows of a type.</summary>
internal static class RowCompiler
{
    private static readonly MethodInfo HasField = Method(typeof(RowHeader), nameof(RowHeader.Has));
    private static readonly MethodInfo ThrowNull = Method(typeof(RowFormat), nameof(RowFormat.ThrowNull));
    private static readonly MethodInfo ThrowMissing = Method(typeof(RowFormat), nameof(RowFormat.ThrowMissing));

    private static MethodInfo Method(Type type, string name, params Type[] parameters)
    {
        const BindingFlags flags = BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic;
        return (parameters.Length == 0 ? type.GetMethod(name, flags) : type.GetMethod(name, flags, parameters))!;
    }

    /// <summary>
    /// Reads each member into a variable, collects which are null, writes the header and then the values:
    /// <c>var a = value.A; ...; if (a == null) nulls |= 1; ...; WriteHeader(...); if (a != null) coderOfA.Encode(a, ...); ...</c>
    /// </summary>
    internal static RowEncoder<T> CompileEncoder<T>(RowPlan plan)
    {
        var value = Expression.Parameter(typeof(T), "value");
        var writer = Expression.Parameter(typeof(CoderWriter), "writer");
        var words = Enumerable.Range(0, (plan.Fields.Length + 63) / 64).Select(i => Expression.Variable(typeof(ulong), $"nulls{i}")).ToArray();
        var variables = new List<ParameterExpression>(words);
        var reads = new List<Expression>();
        var writes = new List<Expression>();
        foreach (var word in words) reads.Add(Expression.Assign(word, Expression.Constant(0UL)));

        for (var i = 0; i < plan.Fields.Length; i++)
        {
            var (field, coder, member) = plan.Fields[i];
            Expression whenNull = field.Type.IsNullable
                ? Expression.OrAssign(words[i / 64], Expression.Constant(1UL << (i % 64)))
                : Expression.Call(ThrowNull, Expression.Constant(InferencePath.Name(typeof(T))), Expression.Constant(field.Name));
            if (member is null)
            {
                reads.Add(whenNull);
                continue;
            }

            var variable = Expression.Variable(member.Type, field.Name);
            variables.Add(variable);
            reads.Add(Expression.Assign(variable, Expression.MakeMemberAccess(value, member.Info)));
            var mayBeNull = !member.Type.IsValueType || Nullable.GetUnderlyingType(member.Type) is not null;
            var write = CoderExpressions.Encode(coder, Expression.Convert(variable, coder.Type), writer, Expression.Constant(true));
            if (mayBeNull)
            {
                var isNull = Expression.Equal(variable, Expression.Constant(null, member.Type));
                reads.Add(Expression.IfThen(isNull, whenNull));
                write = Expression.IfThen(Expression.Not(isNull), write);
            }

            writes.Add(write);
        }

        var isShort = words.Length <= 1;
        Expression nulls = words.Length switch
        {
            0 => Expression.Constant(0UL),
            1 => words[0],
            _ => Expression.NewArrayInit(typeof(ulong), words),
        };
        var header = Expression.Call(
            Method(typeof(RowFormat), nameof(RowFormat.WriteHeader), typeof(CoderWriter), typeof(int), isShort ? typeof(ulong) : typeof(ulong[])),
            writer, Expression.Constant(plan.Fields.Length), nulls);
        return Expression.Lambda<RowEncoder<T>>(Expression.Block(variables, [.. reads, header, .. writes, Expression.Empty()]), value, writer).Compile();
    }

    /// <summary>
    /// Decodes each field into a variable and makes the value of them:
    /// <c>if (header.Has(0)) a = coderOfA.Decode(ref reader); else ThrowMissing(...); ...; return new T(a, ...) { B = b, ... }</c>
    /// </summary>
    internal static RowDecoder<T> CompileDecoder<T>(RowPlan plan)
    {
        var reader = Expression.Parameter(typeof(CoderReader).MakeByRefType(), "reader");
        var header = Expression.Parameter(typeof(RowHeader).MakeByRefType(), "header");
        var variables = plan.Shape.Members.ToDictionary(member => member, member => Expression.Variable(member.Type, member.Name));
        var body = new List<Expression>();
        // The variables of a compiled lambda may be anything at first.
        foreach (var variable in variables.Values) body.Add(Expression.Assign(variable, Expression.Default(variable.Type)));

        for (var i = 0; i < plan.Fields.Length; i++)
        {
            var (field, coder, member) = plan.Fields[i];
            var read = CoderExpressions.Decode(coder, reader, Expression.Constant(true));
            if (member is not null) read = Expression.Assign(variables[member], Expression.Convert(read, member.Type));
            Expression otherwise = member is null || member.IsNullable
                ? Expression.Empty()
                : Expression.Call(ThrowMissing, Expression.Constant(InferencePath.Name(typeof(T))), Expression.Constant(field.Name));
            body.Add(Expression.IfThenElse(Expression.Call(header, HasField, Expression.Constant(i)), read, otherwise));
        }

        var arguments = plan.Shape.Members.Where(member => member.Parameter is not null)
            .OrderBy(member => member.Parameter).Select(member => variables[member]);
        var create = plan.Shape.Constructor is { } constructor ? Expression.New(constructor, arguments) : Expression.New(typeof(T));
        // A member that the schema does not have keeps what the type gives it.
        var matched = plan.Fields.Select(field => field.Member).ToHashSet();
        var set = plan.Shape.Members.Where(member => member.Parameter is null && matched.Contains(member))
            .Select(member => Expression.Bind(member.Info, variables[member]));
        body.Add(Expression.MemberInit(create, set));
        return Expression.Lambda<RowDecoder<T>>(Expression.Block(variables.Values, body), reader, header).Compile();
    }
}
