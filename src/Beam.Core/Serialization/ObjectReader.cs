using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Beam.Serialization;

/// <summary>Reads what <see cref="ObjectWriter"/> wrote.</summary>
internal sealed class ObjectReader
{
    private const int MaxDepth = 1024;
    private const BindingFlags AnyMethod = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly BinaryReader reader;
    private readonly TypeReader types;
    private readonly List<object?> read = [];
    private readonly List<Action> closing = [];
    private int depth;

    public ObjectReader(Stream stream)
    {
        reader = new BinaryReader(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        types = new TypeReader(reader);
    }

    /// <summary>Every object that has been read.</summary>
    public IEnumerable<object?> Objects => read;

    /// <summary>Reads the value of the payload.</summary>
    public object? ReadAll()
    {
        var value = ReadHere();
        foreach (var close in closing) close();
        return value;
    }

    /// <summary>Reads a value that must exist at once.</summary>
    private object? ReadHere() => Read() is var value && value is not Pending
        ? value
        : throw new InvalidDataException("The payload refers to an object that it has not given yet.");

    private object? Read()
    {
        if (++depth > MaxDepth) throw new InvalidDataException("The payload is nested too deeply.");
        try
        {
            var kind = (NodeKind)reader.ReadByte();
            switch (kind)
            {
                case NodeKind.Null:
                    return null;
                case NodeKind.Atom:
                    return Atoms.Read(reader);
                case NodeKind.Enum:
                    return ReadEnum();
                case NodeKind.Type:
                    return types.Read();
                case NodeKind.Reference:
                    var number = reader.Read7BitEncodedInt();
                    return (uint)number < (uint)read.Count
                        ? read[number] ?? new Pending(number)
                        : throw new InvalidDataException("The payload refers to an object that it has not given yet.");
                case NodeKind.Array:
                    return ReadArray();
                case NodeKind.Collection:
                    return ReadCollection();
                case NodeKind.Delegate:
                    return ReadDelegate();
                case NodeKind.Object:
                    return ReadObject();
                case NodeKind.View:
                    return ReadView();
                case NodeKind.Coder:
                    return ReadCoder();
                default:
                    throw new InvalidDataException($"The payload has an unknown kind of value ({(byte)kind}).");
            }
        }
        finally
        {
            depth--;
        }
    }

    private object ReadEnum()
    {
        var type = types.Read();
        if (!type.IsEnum) throw new InvalidDataException($"The payload uses {type} as an enum.");
        return Enum.ToObject(type, reader.ReadInt64());
    }

    private Array ReadArray()
    {
        var place = Reserve();
        var element = types.Read();
        var lengths = new int[Count("dimensions", 32)];
        long total = 1;
        for (var d = 0; d < lengths.Length; d++) total *= lengths[d] = Count("elements", int.MaxValue);
        if (total > Remaining) throw new InvalidDataException("The payload announces more elements than it has.");
        var array = Array.CreateInstance(element, lengths);
        read[place] = array;
        if (array is byte[] bytes)
        {
            reader.BaseStream.ReadExactly(bytes);
            return array;
        }

        var index = new int[lengths.Length];
        for (long i = 0; i < total; i++)
        {
            var rest = i;
            for (var d = lengths.Length - 1; d >= 0; d--) (rest, index[d]) = (rest / lengths[d], (int)(rest % lengths[d]));
            if (Read() is var item && item is not Pending pending)
            {
                array.SetValue(item, index);
                continue;
            }

            var at = (int[])index.Clone();
            closing.Add(() => array.SetValue(Complete(pending), at));
        }

        return array;
    }

    private object ReadCollection()
    {
        var place = Reserve();
        var type = types.Read();
        if (!TravelRules.IsCollection(type)) throw new InvalidDataException($"The payload uses {type} as a collection.");
        var comparer = ReadHere() switch
        {
            "Ordinal" => StringComparer.Ordinal,
            "OrdinalIgnoreCase" => StringComparer.OrdinalIgnoreCase,
            var other => other,
        };
        var collection = (comparer is null ? Activator.CreateInstance(type) : Activator.CreateInstance(type, comparer))!;
        read[place] = collection;
        var count = Count("elements", (int)Math.Min(Remaining, int.MaxValue));
        if (collection is IDictionary dictionary)
        {
            for (var i = 0; i < count; i++)
            {
                var key = ReadHere() ?? throw new InvalidDataException("The payload has a null key.");
                dictionary.Add(key, ReadHere());
            }

            return collection;
        }

        var add = type.GetMethod("Add", type.GetGenericArguments()) ?? type.GetMethod("Enqueue") ?? type.GetMethod("Push")
            ?? type.GetMethod("AddLast", type.GetGenericArguments())!;
        for (var i = 0; i < count; i++) add.Invoke(collection, [ReadHere()]);
        return collection;
    }

    private Delegate ReadDelegate()
    {
        var place = Reserve();
        var type = types.Read();
        if (!typeof(Delegate).IsAssignableFrom(type)) throw new InvalidDataException($"The payload uses {type} as a delegate.");
        var owner = types.Read();
        var name = reader.ReadString();
        var arguments = ReadTypes();
        var parameters = ReadTypes();
        var target = ReadHere();
        var method = owner.GetMethods(AnyMethod)
            .Where(m => m.Name == name && m.IsGenericMethodDefinition == arguments.Length > 0 && m.GetParameters().Length == parameters.Length)
            .Select(m => Close(m, arguments))
            .FirstOrDefault(m => m is not null && m.GetParameters().Select(p => p.ParameterType).SequenceEqual(parameters))
            ?? throw new InvalidDataException($"{owner} has no method '{name}' with the parameters that the job gave; run the job and its workers from the same build.");
        if (TravelRules.WhyNot(method) is { } why) throw new InvalidDataException($"The payload names {owner}.{name} as a function: {why}.");
        var function = Delegate.CreateDelegate(type, target, method, throwOnBindFailure: true)!;
        read[place] = function;
        return function;
    }

    private static MethodInfo? Close(MethodInfo method, Type[] arguments) =>
        arguments.Length == 0 ? method
        : method.GetGenericArguments().Length == arguments.Length ? method.MakeGenericMethod(arguments)
        : null;

    private object ReadObject()
    {
        var type = types.Read();
        if (TravelRules.WhyNot(type) is { } why) throw new InvalidDataException($"The payload has a {type}: {why}.");
        if (type.IsAbstract) throw new InvalidDataException($"The payload has an object of the abstract type {type}.");
        var place = type.IsValueType ? -1 : Reserve();
        var value = RuntimeHelpers.GetUninitializedObject(type);
        if (place >= 0) read[place] = value;
        var count = Count("fields", 65536);
        for (var i = 0; i < count; i++)
        {
            var declaring = types.Read();
            var name = reader.ReadString();
            var content = Read();
            var field = TravelRules.FieldsOf(type).FirstOrDefault(f => f.Name == name && f.DeclaringType == declaring)
                ?? throw new InvalidDataException($"{type} has no field '{name}' here; run the job and its workers from the same build.");
            if (content is not Pending pending) field.SetValue(value, content);
            else if (place >= 0) closing.Add(() => field.SetValue(value, Complete(pending)));
            else throw new InvalidDataException($"The field '{name}' of the struct {type} is part of a circle of references.");
        }

        return value;
    }

    private object ReadView()
    {
        var place = Reserve();
        var type = types.Read();
        if (!typeof(PCollectionView).IsAssignableFrom(type)) throw new InvalidDataException($"The payload uses {type} as a view.");
        var tag = reader.ReadString();
        var view = Activator.CreateInstance(type, BindingFlags.Instance | BindingFlags.NonPublic, null, [tag], null)!;
        read[place] = view;
        return view;
    }

    private object ReadCoder()
    {
        var place = Reserve();
        var type = types.Read();
        var id = reader.ReadString();
        var coder = DotnetPayloads.CoderFromBytes(type, id, Atoms.ReadBytes(reader));
        read[place] = coder;
        return coder;
    }

    private object Complete(Pending pending) =>
        read[pending.Number] ?? throw new InvalidDataException("The payload refers to an object that it never gives.");

    private Type[] ReadTypes()
    {
        var result = new Type[Count("types", 256)];
        for (var i = 0; i < result.Length; i++) result[i] = types.Read();
        return result;
    }

    private long Remaining => reader.BaseStream.Length - reader.BaseStream.Position;

    private int Count(string what, int most)
    {
        var count = reader.Read7BitEncodedInt();
        return count >= 0 && count <= most ? count : throw new InvalidDataException($"The payload announces {count} {what}.");
    }

    private int Reserve()
    {
        read.Add(null);
        return read.Count - 1;
    }

    /// <summary>
    /// Stands for an object that is being read. Only delegates come so late: the closure that holds a lambda often has the lambda in a
    /// field as well, since the compiler gives the lambdas of a scope one closure.
    /// </summary>
    private sealed record Pending(int Number);
}
