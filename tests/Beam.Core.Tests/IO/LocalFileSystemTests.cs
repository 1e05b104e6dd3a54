using Beam.IO;
using NUnit.Framework;

namespace Beam.Core.Tests.IO;

public sealed class LocalFileSystemTests
{
    [Test]
    public void A_folder_that_cannot_be_written_is_told_by_its_reason()
    {
        var file = Path.GetTempFileName();
        try
        {
            Assert.That(() => LocalFileSystem.Instance.CheckWritable(file), Throws.TypeOf<BeamException>().With.Message.Contains($"'{file}': it is a file."));
            Assert.That(
                () => LocalFileSystem.Instance.CheckWritable(Path.Combine(file, "a", "b")), Throws.TypeOf<BeamException>().With.Message.Contains($": '{file}' is a file."));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void A_pattern_without_files_is_told_with_the_folder_searched()
    {
        var name = $"{Guid.NewGuid():N}-*.txt";
        Assert.That(
            () => MatchFilesFn.Match(name, new ReadTextOptions()),
            Throws.TypeOf<BeamException>().With.Message.EqualTo($"'{name}' matches no file: there is none at {Path.Combine(Environment.CurrentDirectory, name)}."));
    }
}
