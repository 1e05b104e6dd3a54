using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Beam.Serialization;

/// <summary>Values of the framework that have a form of their own in payloads.</summary>
internal static class Atoms
{
    private sealed record Atom(byte Code, Type Type, Action<BinaryWriter, object> Write, Func<BinaryReader, object> Read);

    private static readonly Atom[] All =
    [
        Of(1, (w, v) => w.Write(v), r => r.ReadBoolean()),
        Of(2, (w, v) => w.Write(v), r => r.ReadByte()),
        Of(3, (w, v) => w.Write(v), r => r.ReadSByte()),
        Of(4, (w, v) => w.Write(v), r => r.ReadInt16()),
        Of(5, (w, v) => w.Write(v), r => r.ReadUInt16()),
        Of(6, (w, v) => w.Write(v), r => r.ReadInt32()),
        Of(7, (w, v) => w.Write(v), r => r.ReadUInt32()),
        Of(8, (w, v) => w.Write(v), r => r.ReadInt64()),
        Of(9, (w, v) => w.Write(v), r => r.ReadUInt64()),
        Of(10, (w, v) => w.Write(v), r => r.ReadSingle()),
        Of(11, (w, v) => w.Write(v), r => r.ReadDouble()),
        Of(12, (w, v) => w.Write(v), r => r.ReadDecimal()),
        Of(13, (w, v) => w.Write((ushort)v), r => (char)r.ReadUInt16()),
        Of<string>(14, WriteString, ReadString),
        Of(15, (w, v) => w.Write(v.ToBinary()), r => DateTime.FromBinary(r.ReadInt64())),
        Of(16, (w, v) => { w.Write(v.Ticks); w.Write(v.Offset.Ticks); }, r => new DateTimeOffset(r.ReadInt64(), new TimeSpan(r.ReadInt64()))),
        Of(17, (w, v) => w.Write(v.Ticks), r => new TimeSpan(r.ReadInt64())),
        Of(18, (w, v) => w.Write(v.ToByteArray()), r => new Guid(r.ReadBytes(16))),
        Of(19, (w, v) => w.Write(v.DayNumber), r => DateOnly.FromDayNumber(r.ReadInt32())),
        Of(20, (w, v) => w.Write(v.Ticks), r => new TimeOnly(r.ReadInt64())),
        Of<Uri>(21, (w, v) => w.Write(v.OriginalString), r => new Uri(r.ReadString(), UriKind.RelativeOrAbsolute)),
        Of<Version>(22, (w, v) => w.Write(v.ToString()), r => Version.Parse(r.ReadString())),
        Of<Regex>(23, (w, v) => { w.Write(v.ToString()); w.Write((int)v.Options); w.Write(v.MatchTimeout.Ticks); },
            r => new Regex(r.ReadString(), (RegexOptions)r.ReadInt32(), new TimeSpan(r.ReadInt64()))),
        Of<BigInteger>(24, (w, v) => { var b = v.ToByteArray(); w.Write7BitEncodedInt(b.Length); w.Write(b); }, r => new BigInteger(ReadBytes(r))),
        Of<CultureInfo>(25, (w, v) => w.Write(v.Name), r => CultureInfo.GetCultureInfo(r.ReadString())),
        Of<Half>(26, (w, v) => w.Write(v), r => r.ReadHalf()),
        Of<Index>(27, (w, v) => w.Write(v.IsFromEnd ? ~v.Value : v.Value), r => r.ReadInt32() is var n && n < 0 ? ^~n : n),
    ];

    private static readonly Dictionary<Type, Atom> ByType = All.ToDictionary(a => a.Type);
    private static readonly Dictionary<byte, Atom> ByCode = All.ToDictionary(a => a.Code);

    public static bool Handles(Type type) => Find(type) is not null;

    public static void Write(BinaryWriter writer, object value)
    {
        var atom = Find(value.GetType())!;
        writer.Write(atom.Code);
        atom.Write(writer, value);
    }

    public static object Read(BinaryReader reader)
    {
        var code = reader.ReadByte();
        return ByCode.TryGetValue(code, out var atom)
            ? atom.Read(reader)
            : throw new InvalidDataException($"The payload has an unknown kind of value ({code}).");
    }

    public static byte[] ReadBytes(BinaryReader reader)
    {
        var length = reader.Read7BitEncodedInt();
        if (length < 0 || length > reader.BaseStream.Length - reader.BaseStream.Position)
            throw new InvalidDataException($"The payload is cut off: it announces {length} bytes and has {reader.BaseStream.Length - reader.BaseStream.Position}.");
        return reader.ReadBytes(length);
    }

    // Source-generated regexes and the runtime's own cultures are subclasses of the types that they stand for.
    private static Atom? Find(Type type) =>
        ByType.TryGetValue(type, out var atom) ? atom
        : typeof(Regex).IsAssignableFrom(type) ? ByType[typeof(Regex)]
        : null;

    private static Atom Of<T>(byte code, Action<BinaryWriter, T> write, Func<BinaryReader, T> read) where T : notnull =>
        new(code, typeof(T), (w, v) => write(w, (T)v), r => read(r));

    // UTF-16 code units, since a C# string may hold what UTF-8 cannot.
    private static void WriteString(BinaryWriter writer, string value)
    {
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(value.AsSpan());
        writer.Write7BitEncodedInt(bytes.Length);
        writer.Write(bytes);
    }

    private static string ReadString(BinaryReader reader) =>
        new(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, char>(ReadBytes(reader)));
}
