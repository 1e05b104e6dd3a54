using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

internal enum TokenKind { Text, OutputStart, OutputEnd, BlockStart, BlockEnd, Name, String, Integer, Float, Operator, End }

internal readonly record struct JinjaToken(TokenKind Kind, string Text, int Line, object? Value = null);

/// <summary>
/// Cuts a template into text and the tokens of its tags. White space is controlled as Hugging Face sets it: <c>trim_blocks</c> (the line
/// break after a block goes) and <c>lstrip_blocks</c> (blanks before a block on its line go), beside the explicit <c>-</c> and <c>+</c>.
/// </summary>
internal sealed class JinjaLexer
{
    private static readonly string[] Operators =
        ["**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    // Names are looked up again and again.
    private const int MaxName = 256;

    private readonly string _source;
    private readonly List<JinjaToken> _tokens = [];
    private readonly Stack<char> _brackets = [];
    private int _at;
    private int _line = 1;

    private JinjaLexer(string source) => _source = source;

    public static List<JinjaToken> Tokenize(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n')) source = source[..^1];
        var lexer = new JinjaLexer(source);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        while (_at < _source.Length)
        {
            var start = NextTag();
            var text = _source[_at..start];
            var lineStarts = _at == 0 || _source[_at - 1] == '\n' && _tagEndedHere == _at;
            if (start == _source.Length)
            {
                AddText(text);
                _at = start;
                break;
            }
            var kind = _source[start + 1];
            var sign = start + 2 < _source.Length ? _source[start + 2] : '\0';
            if (sign == '-') AddText(text.TrimEnd());
            else if (sign != '+' && kind != '{') AddText(StripLine(text, lineStarts));
            else AddText(text);
            CountLines(_at, start);
            _at = start + 2 + (sign is '-' or '+' ? 1 : 0);
            if (kind == '#') Comment();
            else if (kind == '{') Tag(TokenKind.OutputStart, TokenKind.OutputEnd, "}}");
            else if (!Raw()) Tag(TokenKind.BlockStart, TokenKind.BlockEnd, "%}");
        }
        _tokens.Add(new JinjaToken(TokenKind.End, "", _line));
    }

    // Where the last tag ended, with the white space that it took along.
    private int _tagEndedHere;

    private int NextTag()
    {
        for (var at = _at; (at = _source.IndexOf('{', at)) >= 0 && at + 1 < _source.Length; at++)
            if (_source[at + 1] is '{' or '%' or '#') return at;
        return _source.Length;
    }

    private static string StripLine(string text, bool lineStarts)
    {
        var line = text.LastIndexOf('\n') + 1;
        return (line > 0 || lineStarts) && text.AsSpan(line).IsWhiteSpace() ? text[..line] : text;
    }

    private void AddText(string text)
    {
        if (text.Length > 0) _tokens.Add(new JinjaToken(TokenKind.Text, text, _line));
    }

    private void Comment()
    {
        var end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0) throw Error("a comment has no end");
        CountLines(_at, end);
        var sign = end > _at ? _source[end - 1] : '\0';
        _at = end + 2;
        AfterTag(sign, isBlock: true);
    }

    // {% raw %} … {% endraw %} is text.
    private bool Raw()
    {
        var at = SkipSpace(_at);
        if (!IsWord(at, "raw")) return false;
        at = SkipSpace(at + 3);
        var sign = at < _source.Length && _source[at] is '-' or '+' ? _source[at++] : '\0';
        if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0) return false;
        CountLines(_at, at);
        _at = at + 2;
        AfterTag(sign, isBlock: true);
        for (var start = _at; (start = _source.IndexOf("{%", start, StringComparison.Ordinal)) >= 0; start += 2)
        {
            at = start + 2;
            var before = at < _source.Length && _source[at] is '-' or '+' ? _source[at++] : '\0';
            at = SkipSpace(at);
            if (!IsWord(at, "endraw")) continue;
            at = SkipSpace(at + 6);
            var after = at < _source.Length && _source[at] is '-' or '+' ? _source[at++] : '\0';
            if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0) continue;
            var text = _source[_at..start];
            AddText(before switch { '-' => text.TrimEnd(), '+' => text, _ => StripLine(text, _tagEndedHere == _at && _at > 0 && _source[_at - 1] == '\n') });
            CountLines(_at, at);
            _at = at + 2;
            AfterTag(after, isBlock: true);
            return true;
        }
        throw Error("a raw block has no end");
    }

    private void Tag(TokenKind startKind, TokenKind endKind, string end)
    {
        var opened = _line;
        _tokens.Add(new JinjaToken(startKind, "", _line));
        _brackets.Clear();
        while (true)
        {
            var start = SkipSpace(_at);
            CountLines(_at, start);
            _at = start;
            if (_at >= _source.Length) throw new ChatTemplateException($"line {opened}: a tag has no end.");
            if (_brackets.Count == 0)
            {
                var sign = _source[_at] is '-' || (_source[_at] is '+' && endKind == TokenKind.BlockEnd) ? _source[_at] : '\0';
                var at = _at + (sign == '\0' ? 0 : 1);
                if (string.CompareOrdinal(_source, at, end, 0, 2) == 0)
                {
                    _tokens.Add(new JinjaToken(endKind, "", _line));
                    _at = at + 2;
                    AfterTag(sign, endKind == TokenKind.BlockEnd);
                    return;
                }
            }
            Expression();
        }
    }

    private void AfterTag(char sign, bool isBlock)
    {
        var start = _at;
        if (sign == '-')
            while (_at < _source.Length && char.IsWhiteSpace(_source[_at])) _at++;
        else if (isBlock && sign != '+' && _at < _source.Length && _source[_at] == '\n') _at++;
        CountLines(start, _at);
        _tagEndedHere = _at;
    }

    private void Expression()
    {
        var c = _source[_at];
        if (c is '"' or '\'') String(c);
        else if (char.IsAsciiDigit(c)) Number();
        else if (char.IsLetter(c) || c == '_')
        {
            var end = _at;
            while (end < _source.Length && (char.IsLetterOrDigit(_source[end]) || _source[end] == '_')) end++;
            if (end - _at > MaxName) throw Error($"a name is longer than {MaxName} characters");
            Add(TokenKind.Name, end);
        }
        else
        {
            var op = Array.Find(Operators, o => string.CompareOrdinal(_source, _at, o, 0, o.Length) == 0) ?? throw Error($"unexpected character '{c}'");
            if (c is '(' or '[' or '{') _brackets.Push(c is '(' ? ')' : c is '[' ? ']' : '}');
            else if (c is ')' or ']' or '}' && (!_brackets.TryPop(out var expected) || expected != c)) throw Error($"unexpected '{c}'");
            Add(TokenKind.Operator, _at + op.Length);
        }
    }

    private void Add(TokenKind kind, int end, object? value = null)
    {
        _tokens.Add(new JinjaToken(kind, _source[_at..end], _line, value));
        CountLines(_at, end);
        _at = end;
    }

    private void Number()
    {
        var end = Digits(_at);
        var isFloat = false;
        if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1])) (end, isFloat) = (Digits(end + 1), true);
        if (end < _source.Length && _source[end] is 'e' or 'E')
        {
            var exponent = end + 1 < _source.Length && _source[end + 1] is '+' or '-' ? end + 2 : end + 1;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent])) (end, isFloat) = (Digits(exponent), true);
        }
        var text = _source[_at..end].Replace("_", "", StringComparison.Ordinal);
        if (isFloat) Add(TokenKind.Float, end, double.Parse(text, CultureInfo.InvariantCulture));
        else if (long.TryParse(text, CultureInfo.InvariantCulture, out var value)) Add(TokenKind.Integer, end, value);
        else throw Error($"the number {text} is too large");
    }

    private int Digits(int at)
    {
        while (at < _source.Length && (char.IsAsciiDigit(_source[at]) || _source[at] == '_')) at++;
        return at;
    }

    private void String(char quote)
    {
        var value = new StringBuilder();
        var at = _at + 1;
        for (; at < _source.Length && _source[at] != quote; at++)
        {
            if (_source[at] != '\\' || at + 1 >= _source.Length) value.Append(_source[at]);
            else at = Escape(at + 1, value);
        }
        if (at >= _source.Length) throw Error("a text has no end");
        Add(TokenKind.String, at + 1, value.ToString());
    }

    // Python's escapes; an unknown one stands for itself.
    private int Escape(int at, StringBuilder value)
    {
        var c = _source[at];
        var digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (at + digits >= _source.Length || !int.TryParse(_source.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var point) ||
                point is < 0 or > 0x10FFFF) throw Error("a text has an escape that cannot be read");
            if (point > 0xFFFF) value.Append(char.ConvertFromUtf32(point));
            else value.Append((char)point);
            return at + digits;
        }
        switch (c)
        {
            case 'n': value.Append('\n'); break;
            case 't': value.Append('\t'); break;
            case 'r': value.Append('\r'); break;
            case 'b': value.Append('\b'); break;
            case 'f': value.Append('\f'); break;
            case 'v': value.Append('\v'); break;
            case 'a': value.Append('\a'); break;
            case '0': value.Append('\0'); break;
            case '\n': break;
            case '\\' or '\'' or '"': value.Append(c); break;
            default: value.Append('\\').Append(c); break;
        }
        return at;
    }

    private int SkipSpace(int at)
    {
        while (at < _source.Length && char.IsWhiteSpace(_source[at])) at++;
        return at;
    }

    private bool IsWord(int at, string word) => string.CompareOrdinal(_source, at, word, 0, word.Length) == 0 &&
        (at + word.Length >= _source.Length || !(char.IsLetterOrDigit(_source[at + word.Length]) || _source[at + word.Length] == '_'));

    private void CountLines(int from, int to) => _line += _source.AsSpan(from, to - from).Count('\n');

    private ChatTemplateException Error(string what) => new($"line {_line}: {what}.");
}
