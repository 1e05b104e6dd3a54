using System.Collections;
using System.Runtime.CompilerServices;
using Beam.Coders;

namespace Beam.Serialization;

/// <summary>
/// Writes a function and all that it holds. A value that cannot travel ends in an error that names the way to it, field by field.
/// </summary>
internal sealed class ObjectWriter
{
    private const int MaxDepth = 256;

    private readonly BinaryWriter writer;
    private readonly TypeWriter types;
    private readonly Dictionary<object, int> written = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<string> path = new();
    private readonly string owner;
    private readonly CapturedValues captured;

    /// <param name="stream">Where to write.</param>
    /// <param name="owner">What the value belongs to, for errors: "transform 'X'".</param>
    /// <param name="captured">Gets what concerns the graph.</param>
    public ObjectWriter(Stream stream, string owner, CapturedValues captured)
    {
        writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        types = new TypeWriter(writer);
        this.owner = owner;
        this.captured = captured;
    }

    /// <summary>Writes <paramref name="value"/>.</summary>
    /// <param name="value">The value.</param>
    /// <param name="byFields">Whether a coder is written by its fields, because that is its portable form.</param>
    /// <exception cref="PipelineConstructionException">The value holds something that cannot travel.</exception>
    public void Write(object? value, bool byFields = false)
    {
        if (value is null)
        {
            writer.Write((byte)NodeKind.Null);
            return;
        }

        var type = value.GetType();
        if (path.Count > MaxDepth) throw Refuse(type, $"it is nested more than {MaxDepth} levels deep; pass it as an element or a side input instead");
        if (Atoms.Handles(type))
        {
            writer.Write((byte)NodeKind.Atom);
            Atoms.Write(writer, value);
            return;
        }

        if (type.IsEnum)
        {
            writer.Write((byte)NodeKind.Enum);
            types.Write(type);
            writer.Write(unchecked((long)Convert.ToUInt64(Convert.ChangeType(value, Enum.GetUnderlyingType(type), null) switch
            {
                sbyte or short or int or long => unchecked((ulong)Convert.ToInt64(value, null)),
                var unsigned => unsigned,
            }, null)));
            return;
        }

        if (value is Type named)
        {
            writer.Write((byte)NodeKind.Type);
            types.Write(named);
            return;
        }

        if (!type.IsValueType)
        {
            if (written.TryGetValue(value, out var number))
            {
                writer.Write((byte)NodeKind.Reference);
                writer.Write7BitEncodedInt(number);
                return;
            }

            written.Add(value, written.Count);
        }

        switch (value)
        {
            case PCollectionView view:
                captured.Views.Add(view);
                writer.Write((byte)NodeKind.View);
                types.Write(type);
                writer.Write(view.Tag);
                break;
            case Coder coder when !byFields:
                WriteCoder(coder);
                break;
            case Array array:
                WriteArray(array);
                break;
            case Delegate function:
                WriteDelegate(function);
                break;
            case IEnumerable collection when TravelRules.IsCollection(type):
                WriteCollection(collection, type);
                break;
            default:
                WriteObject(value, type);
                break;
        }
    }

    private void WriteCoder(Coder coder)
    {
        writer.Write((byte)NodeKind.Coder);
        types.Write(coder.Type);
        DotnetPayloads.CoderToBytes(coder, out var id, out var components);
        writer.Write(id);
        writer.Write7BitEncodedInt(components.Length);
        writer.Write(components);
    }

    private void WriteArray(Array array)
    {
        var element = array.GetType().GetElementType()!;
        writer.Write((byte)NodeKind.Array);
        types.Write(element);
        writer.Write7BitEncodedInt(array.Rank);
        for (var d = 0; d < array.Rank; d++)
        {
            if (array.GetLowerBound(d) != 0) throw Refuse(array.GetType(), "its first index is not zero");
            writer.Write7BitEncodedInt(array.GetLength(d));
        }

        if (array is byte[] bytes)
        {
            writer.Write(bytes);
            return;
        }

        var i = 0;
        foreach (var item in array) WriteAt($"[{i++}]", item);
    }

    private void WriteCollection(IEnumerable collection, Type type)
    {
        writer.Write((byte)NodeKind.Collection);
        types.Write(type);
        WriteAt(".Comparer", ComparerOf(collection, type));
        if (collection is IDictionary dictionary)
        {
            writer.Write7BitEncodedInt(dictionary.Count);
            foreach (DictionaryEntry entry in dictionary)
            {
                WriteAt(".Keys", entry.Key);
                WriteAt($"[{entry.Key}]", entry.Value);
            }

            return;
        }

        var items = collection.Cast<object?>().ToList();
        if (collection is not IList && type.GetGenericTypeDefinition() == typeof(Stack<>)) items.Reverse();
        writer.Write7BitEncodedInt(items.Count);
        for (var i = 0; i < items.Count; i++) WriteAt($"[{i}]", items[i]);
    }

    private static object? ComparerOf(IEnumerable collection, Type type)
    {
        var comparer = type.GetProperty("Comparer")?.GetValue(collection);
        // The framework's string comparers are named; a default one is what the collection has anyway.
        return ReferenceEquals(comparer, StringComparer.Ordinal) ? "Ordinal"
            : ReferenceEquals(comparer, StringComparer.OrdinalIgnoreCase) ? "OrdinalIgnoreCase"
            : comparer is not null && !TravelRules.IsFramework(comparer.GetType().Assembly) ? comparer
            : null;
    }

    private void WriteDelegate(Delegate function)
    {
        if (function.GetInvocationList().Length != 1) throw Refuse(function.GetType(), "it calls several methods; pass one");
        var method = function.Method;
        if (TravelRules.WhyNot(method) is { } why) throw Refuse(function.GetType(), why);
        writer.Write((byte)NodeKind.Delegate);
        types.Write(function.GetType());
        types.Write(method.DeclaringType!);
        writer.Write(method.Name);
        var arguments = method.IsGenericMethod ? method.GetGenericArguments() : [];
        writer.Write7BitEncodedInt(arguments.Length);
        foreach (var argument in arguments) types.Write(argument);
        var parameters = method.GetParameters();
        writer.Write7BitEncodedInt(parameters.Length);
        foreach (var parameter in parameters) types.Write(parameter.ParameterType);
        WriteAt(null, function.Target);
    }

    private void WriteObject(object value, Type type)
    {
        if (TravelRules.WhyNot(type) is { } why) throw Refuse(type, why);
        writer.Write((byte)NodeKind.Object);
        types.Write(type);
        var fields = TravelRules.FieldsOf(type);
        writer.Write7BitEncodedInt(fields.Length);
        foreach (var field in fields)
        {
            types.Write(field.DeclaringType!);
            writer.Write(field.Name);
            WriteAt("." + ReadableName(field.Name), field.GetValue(value));
        }
    }

    private void WriteAt(string? step, object? value)
    {
        path.Push(step ?? "");
        Write(value);
        path.Pop();
    }

    private PipelineConstructionException Refuse(Type type, string why)
    {
        var steps = path.Where(p => p.Length > 0).Reverse().ToList();
        var place = steps.Count == 0 ? "The function" : $"The value '{string.Concat(steps).TrimStart('.')}'";
        return new PipelineConstructionException($"{place} of {owner} is a {type.FullName}, which cannot travel to the workers: {why}.");
    }

    /// <summary>The name that the user wrote: <c>&lt;Client&gt;k__BackingField</c> is the property Client, <c>&lt;&gt;4__this</c> is this.</summary>
    private static string ReadableName(string field) =>
        field.EndsWith("__this", StringComparison.Ordinal) ? "this"
        : field.StartsWith('<') && field.IndexOf('>', StringComparison.Ordinal) is > 1 and var end ? field[1..end]
        : field;
}
