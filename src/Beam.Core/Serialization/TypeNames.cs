using System.Reflection;

namespace Beam.Serialization;

/// <summary>Writes types as (assembly, full name, type arguments), each once, with the identity of the build they came from.</summary>
internal sealed class TypeWriter(BinaryWriter writer)
{
    private readonly Dictionary<Type, int> types = [];
    private readonly Dictionary<Assembly, int> assemblies = [];

    /// <summary>0 and a number: written before; 1: named; 2: array.</summary>
    public void Write(Type type)
    {
        if (types.TryGetValue(type, out var known))
        {
            writer.Write((byte)0);
            writer.Write7BitEncodedInt(known);
            return;
        }

        if (type.IsArray)
        {
            writer.Write((byte)2);
            writer.Write7BitEncodedInt(type.IsSZArray ? 0 : type.GetArrayRank());
            Write(type.GetElementType()!);
        }
        else if (type.IsPointer || type.IsByRef || type.IsGenericParameter)
        {
            throw new NotSupportedException($"The type {type} has no name that another process could resolve.");
        }
        else
        {
            writer.Write((byte)1);
            var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
            WriteAssembly(definition.Assembly);
            writer.Write(definition.FullName!);
            var arguments = type is { IsGenericType: true, IsGenericTypeDefinition: false } ? type.GetGenericArguments() : [];
            writer.Write7BitEncodedInt(arguments.Length);
            foreach (var argument in arguments) Write(argument);
        }

        types.Add(type, types.Count);
    }

    private void WriteAssembly(Assembly assembly)
    {
        if (assemblies.TryGetValue(assembly, out var known))
        {
            writer.Write7BitEncodedInt(known);
            return;
        }

        writer.Write7BitEncodedInt(assemblies.Count);
        assemblies.Add(assembly, assemblies.Count);
        writer.Write(assembly.GetName().Name!);
        // Lambdas are named by the compiler, and another build may name them otherwise. (A worker may run a later patch of the framework.)
        writer.Write(TravelRules.IsFramework(assembly) ? [] : assembly.ManifestModule.ModuleVersionId.ToByteArray().AsSpan());
    }
}

/// <summary>Reads what <see cref="TypeWriter"/> wrote, resolving types from the program's own assemblies alone.</summary>
internal sealed class TypeReader(BinaryReader reader)
{
    private const int MaxDepth = 64;

    private readonly List<Type> types = [];
    private readonly List<Assembly> assemblies = [];

    public Type Read(int depth = 0)
    {
        if (depth > MaxDepth) throw new InvalidDataException("The payload nests types too deeply.");
        Type type;
        switch (reader.ReadByte())
        {
            case 0:
                var index = reader.Read7BitEncodedInt();
                return (uint)index < (uint)types.Count ? types[index] : throw new InvalidDataException("The payload refers to a type that it does not name.");
            case 1:
                type = ReadNamed(depth);
                break;
            case 2:
                var rank = reader.Read7BitEncodedInt();
                if (rank is < 0 or > 32) throw new InvalidDataException($"The payload has an array of {rank} dimensions.");
                var element = Read(depth + 1);
                type = rank == 0 ? element.MakeArrayType() : element.MakeArrayType(rank);
                break;
            default:
                throw new InvalidDataException("The payload is not in this SDK's format.");
        }

        types.Add(type);
        return type;
    }

    private Type ReadNamed(int depth)
    {
        var assembly = ReadAssembly();
        var name = reader.ReadString();
        var type = assembly.GetType(name, throwOnError: false)
            ?? throw new InvalidDataException($"The worker's {assembly.GetName().Name} has no type '{name}'; run the job and its workers from the same build.");
        var count = reader.Read7BitEncodedInt();
        if (count == 0) return type;
        if (!type.IsGenericTypeDefinition || type.GetGenericArguments().Length != count)
            throw new InvalidDataException($"The payload gives {count} type arguments to '{name}'.");
        var arguments = new Type[count];
        for (var i = 0; i < count; i++) arguments[i] = Read(depth + 1);
        return type.MakeGenericType(arguments);
    }

    private Assembly ReadAssembly()
    {
        var index = reader.Read7BitEncodedInt();
        if ((uint)index < (uint)assemblies.Count) return assemblies[index];
        if (index != assemblies.Count) throw new InvalidDataException("The payload refers to an assembly that it does not name.");
        var name = reader.ReadString();
        var assembly = TravelRules.Resolve(name)
            ?? throw new InvalidDataException($"The job uses assembly '{name}', which is not among the program's own; add a reference to it.");
        if (!TravelRules.IsFramework(assembly) && new Guid(reader.ReadBytes(16)) != assembly.ManifestModule.ModuleVersionId)
            throw new InvalidDataException($"The worker has another build of '{name}' than the job; run both from the same build.");
        assemblies.Add(assembly);
        return assembly;
    }
}
