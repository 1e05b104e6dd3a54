using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

[TestFixture]
public sealed class GrammarTests
{
    [TestCase("root ::= \"a\" root \"b\" | \"\"", "aaabbb", "aabbb")]
    [TestCase("root ::= item ( \",\"\n  item )*  # a list\n\n# of\nitem ::= [0-9]{1,2}", "1,22,3", "1,222")]
    [TestCase("root ::= \"\\\"\" [^\"\\\\\\n]* '\"'", "\"é\"", "\"\n\"")]
    [TestCase("root ::= .{2}", "é\n", "a")]
    [TestCase("root::=a-b|\na-b2\na-b::=\"x\"\na-b2::=\"y\"", "y", "xy")]
    [TestCase("root ::= \"\\x41\\u00e9\"", "Aé", "A")]
    [TestCase("root ::= root \"+\" [0-9] | [0-9]", "1+2+3", "1+")]
    [TestCase("root ::= root root | \"a\"", "aaaa", "")]
    [TestCase("root ::= root root \"x\" | \"\"", "xxx", "y")]
    [TestCase("root ::= a \"!\"\na ::= b \"x\" | \"s\"\nb ::= a \"y\" | \"t\"", "syxyx!", "sx!")]
    [TestCase("root ::= a\na ::= ws a \"x\" | \"y\"\nws ::= \" \"?", "  yxx", " x")]
    [TestCase("root ::= root | \"a\"", "a", "aa")]
    [TestCase("root ::= (\"a\" | \"b\")+ (\"c\"?)*", "abacc", "c")]
    [TestCase("root ::= x x x\nx ::= \"a\"? \"b\"?", "abb", "bbbb")]
    public void A_grammar_accepts_its_texts(string grammar, string accepted, string refused)
    {
        var language = Language.Grammar(grammar);
        Assert.Multiple(() =>
        {
            Assert.That(language.Accepts(accepted), Is.True, accepted);
            Assert.That(language.Accepts(refused), Is.False, refused);
        });
    }

    [TestCase("root ::= a\nother ::= \"x\"", "'a'")]
    [TestCase("other ::= \"x\"", "'root' is missing")]
    [TestCase("root ::= \"a", "not closed")]
    [TestCase("root ::= (\"a\"", "not closed")]
    [TestCase("root ::= \"a\"\nroot ::= \"b\"", "twice")]
    [TestCase("root ::= \"a\" root", "No text fits")]
    [TestCase("root ::= root", "No text fits")]
    [TestCase("root ::= \"a\"{3,1}", "wrong order")]
    [TestCase("root ::= <think>", "tokens")]
    [TestCase("root ::= \"a\" )", "expected")]
    [TestCase("", "'root' is missing")]
    public void What_is_malformed_is_refused_by_name(string grammar, string reason) =>
        Assert.That(() => Language.Grammar(grammar), Throws.InstanceOf<StructuredOutputException>().With.Message.Contains(reason));

    [TestCase("start: \"a\" b*\nb: \"x\" | /[0-9]+/", "ax12x", "b")]
    [TestCase("?start: item (\",\" item)~0..2\nitem: NUMBER\n%import common.INT -> NUMBER // counts", "1,2,3", "1,2,3,4")]
    [TestCase("start: greeting [\" \" NAME]\ngreeting: \"hi\"\n    | \"hello\" -> long\nNAME: \"a\"..\"z\"+", "hello bob", "hi ")]
    [TestCase("start: expr\nexpr: expr \"+\" T | T\nT.2: \"1\" | \"2\"", "1+2+1", "1+")]
    public void Simple_grammars_in_Larks_form_work(string grammar, string accepted, string refused)
    {
        var language = Language.Grammar(grammar);
        Assert.Multiple(() =>
        {
            Assert.That(language.Accepts(accepted), Is.True, accepted);
            Assert.That(language.Accepts(refused), Is.False, refused);
        });
    }

    [TestCase("start: \"a\"\n%ignore \" \"", "%ignore")]
    [TestCase("start: \"a\"i", "without regard to case")]
    [TestCase("start: b", "'b'")]
    [TestCase("begin: \"b\"", "'start' is missing")]
    [TestCase("start: x{a}\nx{t}: t", "templates")]
    public void What_Lark_has_beyond_that_is_refused_by_name(string grammar, string reason) =>
        Assert.That(() => Language.Grammar(grammar), Throws.InstanceOf<StructuredOutputException>().With.Message.Contains(reason).Or.Message.Contains("not expected"));

    [Test]
    public void A_list_by_recursion_does_not_grow_the_stack()
    {
        var language = Language.Grammar("root ::= item root | item\nitem ::= [a-z] \" \"");
        Assert.That(language.After(string.Concat(Enumerable.Repeat("a ", 5000))).Depth, Is.LessThan(4));
    }

    [Test]
    public void What_is_nested_too_deeply_may_only_be_closed()
    {
        var language = Language.Grammar("root ::= \"(\" root \")\" | \"x\"");
        Assert.Multiple(() =>
        {
            Assert.That(language.StartsWith(new string('(', 900)), Is.True);
            Assert.That(language.StartsWith(new string('(', 1100)), Is.False);
            Assert.That(language.Accepts(new string('(', 900) + "x" + new string(')', 900)), Is.True);
        });
    }
}
