using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>
/// Walks through JSON, which is known to be UTF-8, without making anything of it. A tokenizer.json is a million short strings and numbers:
/// they are read here by code that is compiled once, and well, before it first runs; what is rare goes to <see cref="Utf8JsonReader"/>.
/// </summary>
internal ref struct JsonScanner(ReadOnlySpan<byte> json)
{
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<byte> _json = json;
    private int _at;

    /// <summary>A copy stands where this one does.</summary>
    public readonly int Position => _at;

    /// <summary>The first byte of the next token; 0 at the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte Peek()
    {
        SkipWhiteSpace();
        return _at < _json.Length ? _json[_at] : (byte)0;
    }

    /// <summary>Takes a bracket, colon or comma if it comes next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryTake(byte symbol)
    {
        if (_at < _json.Length && _json[_at] == symbol)
        {
            _at++;
            return true;
        }

        if (Peek() != symbol) return false;
        _at++;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(byte symbol)
    {
        if (!TryTake(symbol)) throw Wrong($"'{(char)symbol}' is missing");
    }

    /// <summary>The name of the next property, its colon taken; false at the end of the object.</summary>
    /// <param name="first">Whether it is the object's first: then no comma comes before it.</param>
    /// <param name="scratch">Room for a name with escapes.</param>
    /// <param name="name">The name, unescaped.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool NextProperty(ref bool first, ref byte[] scratch, out ReadOnlySpan<byte> name)
    {
        name = default;
        if (!Next(ref first, (byte)'}')) return false;
        name = Text(ref scratch);
        Take((byte)':');
        return true;
    }

    /// <summary>Whether another element comes; false at the end of the list.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool NextElement(ref bool first) => Next(ref first, (byte)']');

    /// <summary>The string that comes next, unescaped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public ReadOnlySpan<byte> Text(ref byte[] scratch)
    {
        Take((byte)'"');
        var json = _json;
        var start = _at;
        var end = start;
        while (end < json.Length && json[end] != '"' && json[end] != '\\' && json[end] >= ' ') end++;
        if (end < json.Length && json[end] == '"')
        {
            _at = end + 1;
            return json[start..end];
        }

        return Escaped(start, ref scratch);
    }

    /// <summary>The whole number of 0 or more that comes next; false for anything else.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TryNumber(out int number)
    {
        SkipWhiteSpace();
        var json = _json;
        var start = _at;
        var value = 0L;
        var end = start;
        for (; end < json.Length && (uint)(json[end] - '0') <= 9 && value <= int.MaxValue; end++) value = (value * 10) + (json[end] - '0');
        number = (int)value;
        if (end == start || value > int.MaxValue || (json[start] == '0' && end > start + 1)) return false;
        if (end < json.Length && json[end] is (byte)'.' or (byte)'e' or (byte)'E') return false;
        _at = end;
        return true;
    }

    /// <summary>A reader of the value that comes next, whatever it is, standing on its first token; the scanner goes on behind it.</summary>
    public Utf8JsonReader Value()
    {
        SkipWhiteSpace();
        var start = _at;
        PassValue();
        var reader = new Utf8JsonReader(_json[start.._at], new JsonReaderOptions { MaxDepth = MaxDepth });
        reader.Read();
        return reader;
    }

    /// <summary>Goes on behind the value that comes next, which must be well-formed all the same.</summary>
    public void Skip()
    {
        var reader = Value();
        reader.Skip();
        if (reader.Read()) throw Wrong("a value is followed by another");
    }

    public readonly TokenizerException Wrong(string what) => new($"It is not valid JSON: {what} at byte {_at}.");

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool Next(ref bool first, byte end)
    {
        if (TryTake(end)) return first ? first = false : false;
        if (!first) Take((byte)',');
        first = false;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void SkipWhiteSpace()
    {
        while (_at < _json.Length && _json[_at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t') _at++;
    }

    private ReadOnlySpan<byte> Escaped(int start, ref byte[] scratch)
    {
        _at = start;
        PassText();
        var reader = new Utf8JsonReader(_json[(start - 1).._at]);
        reader.Read();
        if (scratch.Length < _at - start) scratch = new byte[(_at - start) * 2];
        return scratch.AsSpan(0, reader.CopyString(scratch));
    }

    /// <summary>Goes on behind the string whose opening quote has been taken.</summary>
    private void PassText()
    {
        while (true)
        {
            var next = _json[_at..].IndexOfAny((byte)'"', (byte)'\\');
            if (next < 0 || _at + next + 1 >= _json.Length + (_json[_at + next] == '"' ? 1 : 0)) throw Wrong("a string has no end");
            _at += next + 1;
            if (_json[_at - 1] == '"') return;
            _at++;
        }
    }

    /// <summary>Goes on behind a value; brackets are counted here, and told apart by the reader that gets the value.</summary>
    private void PassValue()
    {
        var depth = 0;
        do
        {
            SkipWhiteSpace();
            if (_at >= _json.Length) throw Wrong("a value has no end");
            switch (_json[_at])
            {
                case (byte)'"':
                    _at++;
                    PassText();
                    break;
                case (byte)'{' or (byte)'[':
                    _at++;
                    if (++depth > MaxDepth) throw Wrong($"values lie over {MaxDepth} deep");
                    break;
                case (byte)'}' or (byte)']':
                    _at++;
                    depth--;
                    break;
                case (byte)',' or (byte)':':
                    if (depth == 0) throw Wrong("a value is missing");
                    _at++;
                    break;
                default:
                    var end = _json[_at..].IndexOfAny(",:]}[{\" \n\r\t"u8);
                    _at = end < 0 ? _json.Length : _at + end;
                    break;
            }
        }
        while (depth > 0);
        if (depth < 0) throw Wrong("a value is missing");
    }
}
